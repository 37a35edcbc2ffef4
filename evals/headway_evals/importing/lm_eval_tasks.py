"""Task files of lm-eval as suites: what they ask, to the byte, and how they score it.

Prompts are made once, on import, as a suite of ours has no templates as theirs are; what all begin
with stands in ``prompt``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway_evals.errors import EvalError, ImportingError
from headway_evals.importing.lm_eval_cases import CaseMaker, score_each
from headway_evals.importing.lm_eval_data import Documents, Splits
from headway_evals.importing.lm_eval_files import FunctionReference, TaskFile, find_tasks
from headway_evals.importing.lm_eval_prompts import Contexts, Examples, Wordings
from headway_evals.importing.lm_eval_scoring import (
    read_gate,
    read_pipelines,
    read_scorers,
)
from headway_evals.importing.reports import ImportedSuite, ImportOptions, ImportReport
from headway_evals.importing.sources import SourceFiles
from headway_measures.scores import shown

_USED = frozenset(
    (
        *("task", "task_alias", "include", "group", "dataset_path", "dataset_name"),
        *("dataset_kwargs", "test_split", "validation_split", "training_split", "fewshot_split"),
        *("process_docs", "doc_to_text", "doc_to_target", "doc_to_choice", "description"),
        *("target_delimiter", "fewshot_delimiter", "num_fewshot", "fewshot_config", "gen_prefix"),
        *("output_type", "generation_kwargs", "repeats", "filter_list", "metric_list", "metadata"),
    )
)
_WHY_NOT = {
    "tag": "suites are run one by one; it named a set of tasks",
    "process_results": "its Python has arguments of its own: write it as a python: scorer",
    "use_prompt": "prompts of promptsource are not here: write doc_to_text",
    "custom_dataset": "its Python makes the data: save it as a file and give --data FILE",
    "doc_to_image": "a suite asks in text",
    "doc_to_audio": "a suite asks in text",
    "should_decontaminate": "contamination is not looked for",
    "doc_to_decontamination_query": "contamination is not looked for",
    "unsafe_code": "no answer is run as code here",
}
_ENDS = frozenset(["use_prompt", "custom_dataset", "doc_to_image", "doc_to_audio"])
_EXAMPLE_KEYS = frozenset(
    (
        *("sampler", "split", "samples", "process_docs", "doc_to_text", "doc_to_choice"),
        *("doc_to_target", "gen_prefix", "fewshot_delimiter", "target_delimiter"),
    )
)
_ASKED = {
    "multiple_choice": "choice",
    "loglikelihood": "likelihood",
    "loglikelihood_rolling": "perplexity",
    "generate_until": "generate",
}


def import_lm_eval(path: Path, options: ImportOptions, report: ImportReport) -> list[ImportedSuite]:
    """Return the suite of a task file, or one for each task of a group.

    Raises:
        ImportingError: nothing of it can be imported.
    """
    tasks, files = find_tasks(path, options, report)
    suites: list[ImportedSuite] = []
    failures: list[str] = []
    for task in tasks:
        try:
            suites.append(_TaskImport(task, files, options, report).suite())
        except EvalError as error:
            failures.append(str(error))
            if len(tasks) > 1:
                report.omit("task", str(error), task.path.name)
    if not suites:
        told = "; ".join(failures) or f"{path} names no task that is here"
        raise ImportingError(told)
    return suites


@dataclass(slots=True)
class _TaskImport:
    """Makes one task into a suite."""

    task: TaskFile
    files: SourceFiles
    options: ImportOptions
    report: ImportReport

    def suite(self) -> ImportedSuite:
        self._check_keys()
        values, task = self.task.values, self.task
        kind = str(values.get("output_type") or "generate_until")
        if kind not in _ASKED:
            raise ImportingError(
                f"{task.name} has output_type {kind!r}; known: {', '.join(_ASKED)}"
            )
        splits = Splits(task, self.files, self.options, self.report)
        process = values.get("process_docs")
        documents = splits.read(splits.evaluated, process)
        config = self._example_config()
        wordings = Wordings(task, self.files, documents.column_names)
        contexts = Contexts(wordings, self._examples(splits, config), config)
        maker = CaseMaker(task, kind, documents, contexts, self.report)
        cases = maker.make()
        pipelines = read_pipelines(task, self.report) if kind == "generate_until" else []
        led_by = contexts.delimiter if maker.is_delimited_by_hand else ""
        scorers = read_scorers(task, kind, led_by, pipelines, self.report)
        if not scorers:
            raise ImportingError(f"{task.name} has no metric that is scored here")
        document: dict[str, Any] = {"suite": task.name, "description": self._description()}
        document["ask"] = _ASKED[kind]
        if maker.prompt is not None:
            document["prompt"] = maker.prompt
        if kind in ("multiple_choice", "loglikelihood"):
            delimited = kind == "multiple_choice" and not maker.is_delimited_by_hand
            document["delimiter"] = contexts.delimiter if delimited else ""
        if kind == "generate_until":
            document |= self._generation()
        by_case = any(each.needs_choices for each in pipelines)
        gate = read_gate(scorers)
        if by_case:
            score_each(cases, maker.choices, scorers, pipelines)
        else:
            document["scorers"] = scorers
        document["gate"] = gate
        if len(scorers) > 1:
            self.report.note(
                f"{task.name}: the gate compares {gate['scorer']}, its first metric; a case counts "
                "as passed when each metric passes it"
            )
        # Plain data, without the lines that what was read remembers.
        plain = json.loads(json.dumps({**document, "cases": cases}))
        return ImportedSuite(task.name, plain)

    def _check_keys(self) -> None:
        for key, value in self.task.values.items():
            if key in _USED or value in (None, False, [], ""):
                continue
            told = _WHY_NOT.get(key, "it is not known here")
            self.report.omit(f"key {key}", told, self.task.path.name, self.task.line_of(key))
            if key in _ENDS:
                raise ImportingError(f"{self.task.name} has {key}: {told}")

    def _description(self) -> str:
        values = self.task.values
        metadata = values.get("metadata")
        facts = dict(metadata) if isinstance(metadata, Mapping) else {}
        version = facts.pop("version", None)
        told = f"lm-eval task {self.task.name}"
        if alias := values.get("task_alias"):
            told += f" ({alias})"
        if version is not None:
            told += f", version {version}"
        for key in facts:
            line = self.task.line_of("metadata")
            self.report.omit(f"metadata {key}", "it is told nowhere", self.task.path.name, line)
        return told

    def _example_config(self) -> Mapping[str, Any]:
        config = self.task.values.get("fewshot_config")
        given = config if isinstance(config, Mapping) else {}
        line = self.task.line_of("fewshot_config")
        for key in given:
            if key not in _EXAMPLE_KEYS:
                told = "lm-eval 0.4.13 does not look at it either"
                if key != "fewshot_indices":
                    told = "it is not known here"
                self.report.omit(f"fewshot_config {key}", told, self.task.path.name, line)
        return {key: value for key, value in given.items() if value is not None}

    def _examples(self, splits: Splits, config: Mapping[str, Any]) -> Examples | None:
        values = self.task.values
        count = values.get("num_fewshot") or 0
        if not count:
            return None
        sampler = config.get("sampler", "default")
        if sampler not in ("default", "first_n"):
            raise ImportingError(f"{self.task.name}: examples by the sampler {shown(sampler)}")
        process = config.get("process_docs", values.get("process_docs"))
        split = config.get("split", values.get("fewshot_split"))
        samples = config.get("samples")
        # As there: a pool of another split cannot hold the case, and neither can a list, unless no
        # test split is named, when the two count as the same.
        is_own = split == values.get("test_split")
        if isinstance(split, str):
            pool = splits.read(split, process)
        elif isinstance(samples, list):
            pool = Documents(dict(each) for each in samples)
        elif isinstance(samples, FunctionReference):
            pool = Documents(samples.load(self.files)())
        else:
            split = values.get("training_split") or values.get("validation_split")
            pool = splits.read(str(split or splits.evaluated), values.get("process_docs"))
        return Examples(pool, int(count), sampler == "first_n", is_own)

    def _generation(self) -> dict[str, Any]:
        given = self.task.values.get("generation_kwargs")
        options = dict(given) if isinstance(given, Mapping) else {}
        separator = self.task.values.get("fewshot_delimiter")
        until = options.pop("until", "\n\n" if separator is None else separator)
        stop = [each for each in (until if isinstance(until, list) else [until]) if each]
        made: dict[str, Any] = {"max_new_tokens": int(options.pop("max_gen_toks", 256))}
        made |= {"stop": [str(each) for each in stop]} if stop else {}
        temperature = options.pop("temperature", None)
        is_drawn = options.pop("do_sample", None)
        top_p = options.pop("top_p", None)
        if is_drawn is None:
            is_drawn = bool(temperature)
        if is_drawn:
            made["temperature"] = 1.0 if temperature is None else float(temperature)
            made |= {} if top_p is None else {"top_p": float(top_p)}
        for key in options:
            line = self.task.line_of("generation_kwargs")
            told = "generation here has max_new_tokens, stop, temperature, top_p and seed"
            self.report.omit(f"generation_kwargs {key}", told, self.task.path.name, line)
        return {"generation": made, **self._repeats(bool(made.get("temperature")))}

    def _repeats(self, is_drawn: bool) -> dict[str, Any]:
        repeats = self.task.values.get("repeats") or 1
        if repeats == 1:
            return {}
        if not is_drawn:
            told = "without a temperature all answers are the same, and one is asked for"
        elif not self.task.values.get("filter_list"):
            told = "lm-eval scores the first of them alone, which is what is asked for"
        else:
            self.report.note(f"{self.task.name}: each of its {repeats} repeats is scored by itself")
            return {"repeats": repeats}
        self.report.omit("key repeats", told, self.task.path.name, self.task.line_of("repeats"))
        return {}
