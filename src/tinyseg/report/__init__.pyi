from .html.figures import Measured as Measured
from .html.gather import (
    JudgedRun as JudgedRun,
    PageChoice as PageChoice,
    page_of as page_of,
    sheets_of as sheets_of,
    worst_frames as worst_frames,
)
from .html.page import SHARED_PARTS as SHARED_PARTS, page_part as page_part, to_html as to_html
from .html.records import Finding as Finding, Sheet as Sheet
from .html.sheets import mask_rings as mask_rings
from .overlay import DRAWN_FROM as DRAWN_FROM, draw_overlay as draw_overlay
from .plan_picture import draw_plan as draw_plan
