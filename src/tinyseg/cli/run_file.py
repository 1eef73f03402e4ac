"""What a run was told on the command line, kept in RUN/run.json so that it can go on."""

from pathlib import Path

from tinyseg.checked import checked
from tinyseg.errors import TrainingError
from tinyseg.files import make_folder, write_whole
from tinyseg.recipes import Section
from tinyseg.watch import OnError

NAME = "run.json"


class RunFile(Section):
    """The data, by absolute paths, and where the weights come from; the recipe has a file."""

    data: tuple[Path, ...]
    lists: tuple[Path, ...] = ()
    splits: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()
    images: tuple[Path, ...] = ()
    shares: tuple[float, ...] = ()
    zooms: tuple[float, ...] = ()
    format: str | None = None
    val: Path | None = None
    val_list: Path | None = None
    val_split: str | None = None
    val_images: Path | None = None
    on_error: OnError = OnError.stop
    init: str | None = None

    def write(self, run: Path) -> None:
        """Into the run's folder, which is made if it is not there."""
        write_whole(make_folder(run) / NAME, self.model_dump_json(indent=2).encode())

    @staticmethod
    def read(run: Path) -> "RunFile":
        """From the run's folder."""
        try:
            text = (run / NAME).read_bytes()
        except OSError:
            expected = f"a folder that `tinyseg train` made, with {NAME} in it"
            raise TrainingError("not a run's folder", path=run, expected=expected) from None
        return checked(RunFile, text, error=TrainingError, path=run / NAME)
