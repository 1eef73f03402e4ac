from .assign import CodeWeights as CodeWeights, decode_boxes as decode_boxes
from .backbones import (
    STRIDES as STRIDES,
    TimmBackbone as TimmBackbone,
    freeze_stages as freeze_stages,
    set_norm_eps as set_norm_eps,
)
from .box_head import (
    BOX_CODE_WEIGHTS as BOX_CODE_WEIGHTS,
    BOX_POOL_SIZE as BOX_POOL_SIZE,
    LEAST_BOX_SIDE as LEAST_BOX_SIDE,
    BoxHead as BoxHead,
    convolution_head as convolution_head,
    mlp_head as mlp_head,
)
from .context import ContextAttention as ContextAttention
from .detector import Detector as Detector
from .fast.activations import measure_activations as measure_activations
from .fast.folding import NormedConv as NormedConv
from .fast.planning import (
    GB as GB,
    RECOMPUTE_CHOICES as RECOMPUTE_CHOICES,
    MemoryNeed as MemoryNeed,
    Planner as Planner,
    bytes_of_weights as bytes_of_weights,
    memory_need as memory_need,
)
from .mask_head import MASK_POOL_SIZE as MASK_POOL_SIZE, MaskHead as MaskHead
from .path_aggregation import (
    FusedLevels as FusedLevels,
    PathAggregation as PathAggregation,
    fuse_after as fuse_after,
    fuse_before as fuse_before,
    pool_all_levels as pool_all_levels,
    unfused_name as unfused_name,
)
from .proposals import (
    LEAST_PROPOSAL_SIDE as LEAST_PROPOSAL_SIDE,
    PROPOSAL_CODE_WEIGHTS as PROPOSAL_CODE_WEIGHTS,
    Proposals as Proposals,
    anchor_shapes as anchor_shapes,
)
from .pyramid import Pyramid as Pyramid
from .pyramid_pooling import PyramidPooling as PyramidPooling
from .roi_pool import choose_levels as choose_levels, pool_levels as pool_levels
from .rules import (
    BoxRules as BoxRules,
    InputRules as InputRules,
    ProposalRules as ProposalRules,
    RecomputeChoice as RecomputeChoice,
)
from .targets import (
    Losses as Losses,
    Normalise as Normalise,
    Target as Target,
    own_count as own_count,
)
