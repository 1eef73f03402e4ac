from .run import serve as serve
from .settings import MEGA as MEGA, Settings as Settings
