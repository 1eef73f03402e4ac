from .api import Model as Model, load as load
from .data import DataSet as DataSet, Place as Place, open_data as open_data
from .detections import Detections as Detections
from .errors import TinysegError as TinysegError
from .foreign import focus as focus, model_of as model_of, tiles as tiles
from .frame import Frame as Frame, FrameLabels as FrameLabels, Instances as Instances
from .image import read_image as read_image
from .masks import CropMasks as CropMasks
from .tasks import (
    BreakdownChoice as BreakdownChoice,
    Calibrated as Calibrated,
    ChallengePictures as ChallengePictures,
    EightBits as EightBits,
    Outlook as Outlook,
    PlanChoice as PlanChoice,
    PredictChoice as PredictChoice,
    ReportChoice as ReportChoice,
    Resampling as Resampling,
    TrainingSet as TrainingSet,
    calibrate as calibrate,
    check_submission as check_submission,
    compare as compare,
    convert as convert,
    evaluate as evaluate,
    examine as examine,
    export as export,
    predict_folder as predict_folder,
    resume as resume,
    show as show,
    show_plan as show_plan,
    submit as submit,
    train as train,
    write_prior as write_prior,
    write_report as write_report,
)
from .views import View as View
from .watch import Progress as Progress

__version__: str
__all__: list[str]
