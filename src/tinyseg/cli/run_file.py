"""What a run was told on the command line, kept in RUN/run.json so that it can go on."""

from pathlib import Path

from pydantic import ValidationError

from tinyseg.cli.common import OnError
from tinyseg.errors import TrainingError
from tinyseg.files import make_folder, write_whole
from tinyseg.recipes.section import Section

NAME = "run.json"


class RunFile(Section):
    """The data, by absolute paths, and where the weights come from; the recipe has a file."""

    data: tuple[Path, ...]
    lists: tuple[Path, ...] = ()
    splits: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    zooms: tuple[float, ...] = ()
    format: str | None = None
    val: Path | None = None
    val_list: Path | None = None
    val_split: str | None = None
    on_error: OnError = OnError.stop
    init: str | None = None

    def write(self, run: Path) -> None:
        """Into the run's folder, which is made if it is not there."""
        write_whole(make_folder(run) / NAME, self.model_dump_json(indent=2).encode())

    @staticmethod
    def read(run: Path) -> "RunFile":
        """From the run's folder."""
        try:
            return RunFile.model_validate_json((run / NAME).read_bytes())
        except OSError:
            expected = f"a folder that `tinyseg train` made, with {NAME} in it"
            raise TrainingError("not a run's folder", path=run, expected=expected) from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise TrainingError(first["msg"], path=run / NAME, where=where or None) from None
