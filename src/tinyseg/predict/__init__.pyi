from .backends import (
    AUTO as AUTO,
    IN_TORCH as IN_TORCH,
    Backend as Backend,
    choose_backend as choose_backend,
    find_device as find_device,
)
from .batches import BatchLimits as BatchLimits
from .detector_network import DetectorNetwork as DetectorNetwork
from .ensemble import (
    EnsembleFile as EnsembleFile,
    MemberFile as MemberFile,
    is_ensemble as is_ensemble,
    load as load,
    load_members as load_members,
    read_ensemble as read_ensemble,
    write_ensemble as write_ensemble,
)
from .members import (
    Member as Member,
    load_adapted as load_adapted,
    load_member as load_member,
    member_of as member_of,
)
from .plan_choice import (
    TILE_ANSWERS as TILE_ANSWERS,
    choose_plan as choose_plan,
    default_plan as default_plan,
    named_plan as named_plan,
)
from .predictor import (
    Predictor as Predictor,
    default_limits as default_limits,
    load_predictor as load_predictor,
)
from .results import (
    Results as Results,
    backend_of as backend_of,
    check_same as check_same,
    folder_for as folder_for,
)
from .sources import (
    VIDEOS as VIDEOS,
    Shot as Shot,
    Source as Source,
    Tell as Tell,
    find_sources as find_sources,
    read_shots as read_shots,
)
from .stream import Image as Image, predict_shots as predict_shots
