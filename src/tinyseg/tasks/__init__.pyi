from .calibration import Calibrated as Calibrated, calibrate as calibrate
from .challenge import (
    ChallengePictures as ChallengePictures,
    CheckedSubmission as CheckedSubmission,
    check_submission as check_submission,
    submit as submit,
)
from .data_sets import convert as convert, examine as examine
from .drawings import PlanChoice as PlanChoice, show as show, show_plan as show_plan
from .eight_bits import EightBits as EightBits
from .folders import (
    PredictChoice as PredictChoice,
    Predicted as Predicted,
    predict_folder as predict_folder,
    predict_job as predict_job,
)
from .opening import (
    OF_THE_DATA as OF_THE_DATA,
    class_list as class_list,
    open_given as open_given,
    open_with as open_with,
    parts_at as parts_at,
    place_of as place_of,
    predictions_file as predictions_file,
    read_all_labels as read_all_labels,
    read_given as read_given,
)
from .pages import ReportChoice as ReportChoice, write_report as write_report
from .runs import (
    Outlook as Outlook,
    RunFile as RunFile,
    TrainingSet as TrainingSet,
    resume as resume,
    train as train,
)
from .scores import (
    MOST_DETECTIONS as MOST_DETECTIONS,
    BreakdownChoice as BreakdownChoice,
    Evaluation as Evaluation,
    Resampling as Resampling,
    clips_of as clips_of,
    compare as compare,
    evaluate as evaluate,
)
from .weights import (
    WrittenWeights as WrittenWeights,
    export as export,
    write_prior as write_prior,
)
