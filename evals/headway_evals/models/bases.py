"""Checkpoints in memory, each once, and the adapters that are merged into them by turns.

An adapter is merged into the weights in place. What it touches is copied beforehand, so that
taking it off gives back the base's own bytes, where subtracting it would leave rounding errors.
An adapter that changes more than weights leaves a base that is loaded anew for the next.
"""

from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from peft.tuners.tuners_utils import BaseTunerLayer

from headway_evals.engine.drafts import Drafts
from headway_evals.errors import ModelError
from headway_evals.models.digests import stamp_of
from headway_evals.models.loading import inject_adapter, load_weights
from headway_evals.models.quantising import Quantisation
from headway_measures.scores import shortened


class Base:
    """A checkpoint that is loaded when it is first needed.

    Args:
        folder: the checkpoint's.
        device: where it is to lie.
        dtype: a key of ``loading.DTYPES``.
        quantisation: how its weights are made smaller.
        allow_pickle: whether weights may be pickled.

    Attributes:
        drafts: what it, or an adapter on it, answered so far.
    """

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        dtype: str,
        *,
        quantisation: Quantisation | None = None,
        allow_pickle: bool = False,
    ) -> None:
        self._folder = folder
        self._device = device
        self._dtype = dtype
        self._quantisation = quantisation
        self._allow_pickle = allow_pickle
        self.drafts = Drafts()
        self._model: Any = None
        self._worn: Path | None = None
        # Parameters that the worn adapter touched, with what they were; None: it did more.
        self._pristine: list[tuple[torch.nn.Parameter, torch.Tensor]] | None = []

    def wearing(self, adapter: Path | None) -> Any:
        """Return the model with an adapter merged into it, or with none, until the next call.

        Raises:
            ModelError: the checkpoint cannot be loaded, or the adapter does not fit it.
        """
        if adapter != self._worn:
            self._take_off()
        if self._model is None:
            self._model = load_weights(
                self._folder,
                self._device,
                self._dtype,
                quantisation=self._quantisation,
                allow_pickle=self._allow_pickle,
            )
        if adapter is not None and adapter != self._worn:
            self._put_on(adapter)
        return self._model

    def _put_on(self, adapter: Path) -> None:
        before = dict(self._model.named_parameters())
        try:
            tuned = inject_adapter(self._model, adapter, allow_pickle=self._allow_pickle)
            pristine = [
                (parameter, parameter.detach().to("cpu", copy=True))
                for layer in tuned.modules()
                if isinstance(layer, BaseTunerLayer)
                for parameter in layer.get_base_layer().parameters()
            ]
            merged = tuned.merge_and_unload()
        except ModelError:
            self._model = None  # half of the adapter's layers may be in it
            raise
        except (ValueError, RuntimeError, NotImplementedError, AttributeError) as error:
            self._model = None
            told = shortened(" ".join(str(error).split()), 400)
            raise ModelError(f"the adapter {adapter} cannot be merged: {told}") from error
        after = dict(merged.named_parameters())
        # Biases that come with an adapter were written over before they could be copied.
        has_biases = getattr(tuned.active_peft_config, "bias", "none") != "none"
        is_restorable = (
            not has_biases
            and before.keys() == after.keys()
            and all(after[name] is parameter for name, parameter in before.items())
        )
        self._model, self._worn = merged.eval(), adapter
        self._pristine = pristine if is_restorable else None

    @torch.no_grad()
    def _take_off(self) -> None:
        if self._pristine is None:
            self._model = None
        else:
            for parameter, content in self._pristine:
                parameter.copy_(content)
        self._pristine, self._worn = [], None


_in_use: WeakValueDictionary[tuple[object, ...], Base] = WeakValueDictionary()


def find_base(
    folder: Path,
    device: torch.device,
    dtype: str,
    *,
    quantisation: Quantisation | None = None,
    allow_pickle: bool = False,
) -> Base:
    """Return the checkpoint of a folder: the one in use, if there is one of the same files."""
    files = [path for path in folder.iterdir() if path.is_file()]
    stamp = frozenset((path.name, *stamp_of(path)) for path in files)
    form = quantisation and (quantisation.form, quantisation.library)
    key = (folder.resolve(), str(device), dtype, form, allow_pickle, stamp)
    base = _in_use.get(key)
    if base is None:
        base = _in_use[key] = Base(
            folder, device, dtype, quantisation=quantisation, allow_pickle=allow_pickle
        )
    return base
