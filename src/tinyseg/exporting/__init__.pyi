from .extras import is_there as is_there, require as require
from .files import (
    ExportedFile as ExportedFile,
    is_exported as is_exported,
    read_exported as read_exported,
)
from .graph import to_onnx as to_onnx
from .int8 import View as View, folded as folded, in_8_bits as in_8_bits
from .kept import kept_export as kept_export
from .runtimes import (
    RuntimeNetwork as RuntimeNetwork,
    open_exported as open_exported,
    run_openvino as run_openvino,
)
from .write import (
    keep_export as keep_export,
    save_openvino as save_openvino,
    write_onnx as write_onnx,
    write_openvino as write_openvino,
)
