from .balance import TrainData as TrainData, needs_labels as needs_labels, plan_draws as plan_draws
from .batches import FrameStore as FrameStore
from .checkpoint import Checkpoint as Checkpoint, newest_checkpoint as newest_checkpoint
from .label_scan import (
    CENSUS_FRAMES as CENSUS_FRAMES,
    SCAN_NAME as SCAN_NAME,
    Census as Census,
    check_census as check_census,
    sampled_by_camera as sampled_by_camera,
    take_census as take_census,
)
from .launch import launch_processes as launch_processes, mixed_pays as mixed_pays
from .log import RECIPE_NAME as RECIPE_NAME, StepReport as StepReport
from .loop import check_folder as check_folder, open_folder as open_folder, train as train
from .sampler import largest_shape as largest_shape
from .validation import predict_labelled as predict_labelled, validate_on as validate_on
