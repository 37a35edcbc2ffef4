"""The documents of an lm-eval task: splits of local files, in the order of the files.

``dataset_path`` names what reads them (json, csv, parquet, text) and ``dataset_kwargs.data_files``
where they lie. What lies on a hub is not fetched: ``--data`` names a file, or a folder with a file
for each split.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway_evals.errors import ImportingError
from headway_evals.importing.lm_eval_files import FunctionReference, TaskFile
from headway_evals.importing.reports import ImportOptions, ImportReport
from headway_evals.importing.sources import SourceFiles
from headway_evals.importing.table_files import SUFFIXES, read_table

LOADERS = ("json", "csv", "parquet", "text")

_KNOWN_KWARGS = ("data_files", "data_dir", "field", "sep", "delimiter", "trust_remote_code")

Document = dict[str, Any]


class Documents(list[Document]):
    """Documents with the few methods of Hugging Face's Dataset that ``process_docs`` calls."""

    @property
    def column_names(self) -> list[str]:
        """Return the names of all columns."""
        return list(dict.fromkeys(name for each in self for name in each))

    @property
    def features(self) -> dict[str, Any]:
        """Return the columns as the keys of a mapping."""
        return dict.fromkeys(self.column_names)

    def map(
        self, function: Callable[..., Any], remove_columns: Iterable[str] = (), **other: Any
    ) -> "Documents":
        """Return each document with what a function makes of it.

        Raises:
            TypeError: an option is given that would change what the function gets.
        """
        if any(other.get(name) for name in ("batched", "with_indices", "with_rank")):
            raise TypeError(f"map is called with {', '.join(other)}, which is not done here")
        dropped = set(remove_columns)
        return Documents(
            {key: value for key, value in each.items() if key not in dropped}
            | dict(function(dict(each)))
            for each in self
        )

    def filter(self, function: Callable[..., Any], **_: Any) -> "Documents":
        """Return the documents that a function keeps."""
        return Documents(each for each in self if function(each))

    def select(self, places: Iterable[int]) -> "Documents":
        """Return the documents of some places."""
        return Documents(self[place] for place in places)


@dataclass(slots=True)
class Splits:
    """The splits of a task's data, each read once.

    Args:
        task: the task.
        files: finds its files.
        options: what the command says; ``data`` comes first.
        report: where it goes what is not understood.
    """

    task: TaskFile
    files: SourceFiles
    options: ImportOptions
    report: ImportReport
    _read: dict[str, Documents] = field(default_factory=dict)

    def read(self, split: str, process: Any = None) -> Documents:
        """Return a split's documents, as a function makes them.

        Args:
            split: its name.
            process: a reference to that function; None is none.

        Raises:
            ImportingError: there is no such file here, or the function may not be run.
        """
        key = f"{split} {getattr(process, 'name', '')}"
        if key not in self._read:
            documents = Documents(self._rows(split))
            if isinstance(process, FunctionReference):
                documents = _processed(documents, process.load(self.files), process.name)
            self._read[key] = documents
        return self._read[key]

    def _rows(self, split: str) -> list[Document]:
        kind = self.task.values.get("dataset_path")
        kwargs = self._kwargs()
        under = kwargs.get("field")
        separator = kwargs.get("sep", kwargs.get("delimiter"))
        found: list[Document] = []
        if self.options.data is not None:
            paths, kind = [self._given(self.options.data, split)], None
        else:
            paths = self._own(str(kind), split, kwargs)
        for path in paths:
            table = read_table(
                path,
                self.report,
                kind="json" if path.suffix in (".jsonl", ".ndjson", ".json") else kind,
                is_typed=True,
                separator=separator if isinstance(separator, str) else None,
                under=under if isinstance(under, str) else None,
            )
            found += [dict.fromkeys(table.columns) | row.values for row in table.rows]
        if not found:
            raise ImportingError(f"{self.task.name}: split {split} has no rows")
        return found

    def _kwargs(self) -> Mapping[str, Any]:
        kwargs = self.task.values.get("dataset_kwargs")
        if not isinstance(kwargs, Mapping):
            return {}
        for key in kwargs:
            if key not in _KNOWN_KWARGS:
                line = self.task.line_of("dataset_kwargs")
                told = "it is not given to the reader of the file"
                self.report.omit(f"dataset_kwargs {key}", told, self.task.path.name, line)
        return kwargs

    def _given(self, data: Path, split: str) -> Path:
        if data.is_dir():
            for suffix in SUFFIXES:
                if (path := data / f"{split}{suffix}").is_file():
                    return path
            raise ImportingError(f"{data} has no file {split}.jsonl, or {split}{{.csv,.parquet,…}}")
        if split != self.evaluated:
            raise ImportingError(
                f"{self.task.name} takes its examples from split {split}: give --data a folder "
                f"with {self.evaluated}.jsonl and {split}.jsonl in place of {data}"
            )
        return data

    @property
    def evaluated(self) -> str:
        """Return the split whose documents are the cases.

        Raises:
            ImportingError: the task names none.
        """
        values = self.task.values
        split = values.get("test_split") or values.get("validation_split")
        if not isinstance(split, str):
            raise ImportingError(f"{self.task.name} has neither test_split nor validation_split")
        return split

    def _own(self, kind: str, split: str, kwargs: Mapping[str, Any]) -> list[Path]:
        if kind not in LOADERS:
            raise ImportingError(
                f"{self.task.name} reads the dataset {kind!r} from a hub, which is not fetched "
                f"here: save its split {split} as a file and give --data FILE"
            )
        given = kwargs.get("data_files")
        by_split = given if isinstance(given, Mapping) else {"train": given}
        names = by_split.get(split)
        if names is None:
            known = ", ".join(key for key, each in by_split.items() if each) or "none"
            raise ImportingError(
                f"{self.task.name}: dataset_kwargs.data_files has no split {split!r}, only {known}"
            )
        base = kwargs.get("data_dir")
        prefix = f"{base}/" if isinstance(base, str) else ""
        listed = names if isinstance(names, list) else [names]
        return [path for name in listed for path in self.files.find_all(f"{prefix}{name}")]


def _processed(documents: Documents, function: Callable[..., Any], name: str) -> Documents:
    try:
        return Documents(dict(each) for each in function(documents))
    except Exception as error:  # the function is someone's
        raise ImportingError(f"{name} raised {type(error).__name__}: {error}") from error
