"""`Ensemble`: several models, each trained on a balanced part of the data, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

from .._values import Strategy
from ..errors import BadValue, NotFound, UsageError
from ._attach import job_and_dataset
from ._job_sampler import State
from ._ranks import agree, on_rank_0, together
from .batch_sampler import BatchSampler
from .loader import DataLoader

Outputs = Literal["logits", "probabilities"]

_ROUNDING = 1e-3  # by which the probabilities of a sample may miss 1, as those of half precision do


class Ensemble:
    """Jobs by strategy `ensemble`, one for each of several models::

        ensemble = evendraw.torch.Ensemble(dataset, 32, members=5)
        models = [Net() for _ in range(5)]
        for model, loader in zip(models, ensemble.loaders(num_workers=2)):
            for x, y in loader:  # one epoch of its part
                ...
        classes = ensemble.predict(models, x)

    Large classes are cut to the size of the smallest; each member has its own part of them, and all of the
    smallest (EasyEnsemble: Liu, Wu and Zhou 2009, Exploratory undersampling for class-imbalance learning). In
    every epoch a member sees the same samples, in another order. Members may be trained one after the other or
    side by side, in one process or, with a name, in several: each is a job of its own, with
    its own place.

    Args:
        job: a name, or None: runs of their own. The jobs are NAME-0, NAME-1, ... A dataset in this place is
            taken as `dataset`.
        batch_size: of this rank.
        members: how many.
        parts: "disjoint": no sample of a cut class is in two parts while it lasts; "bootstrap": each part is
            drawn with replacement.
        sampling_strategy: size of the parts, as of strategy `undersampled`; None: "auto".
        dataset, more: as of `BatchSampler` (labels, seed, rank, world_size, exists, resume, columns, ...), for
            each member. All have one seed, or their parts would not belong together.

    Attributes:
        samplers: the `BatchSampler` of each member.

    Raises:
        As BatchSampler; with a name, of the first job that is another one: Exists.
    """

    def __init__(
        self,
        job: Any = None,
        batch_size: int | None = None,
        *,
        members: int = 10,
        parts: Literal["disjoint", "bootstrap"] = "disjoint",
        sampling_strategy: Any = None,
        dataset: Any = None,
        **more: Any,
    ) -> None:
        if isinstance(members, bool) or not isinstance(members, int) or members < 1:
            raise BadValue(f"members is {members!r}, and a number of models is needed", "members")
        if "strategy" in more:
            raise UsageError(
                "the jobs of an Ensemble have strategy `ensemble`: leave strategy= out, and say members=, "
                "parts= and sampling_strategy=; for several models by another one make a BatchSampler each",
                "strategy",
            )
        name, self._dataset = job_and_dataset(job, dataset)
        self._loaders: list[DataLoader] = []
        self.members = members
        self.samplers: list[BatchSampler] = []
        try:
            for member in range(members):
                strategy: dict[str, Any] = {"kind": "ensemble", "member": member, "members": members}
                strategy["parts"] = parts
                if sampling_strategy is not None:
                    strategy["sampling_strategy"] = sampling_strategy
                self.samplers.append(self._sampler(name and f"{name}-{member}", batch_size, strategy, more))
        except BaseException:
            self.close()
            raise

    def _sampler(
        self, job: str, batch_size: int | None, strategy: Strategy, more: dict[str, Any]
    ) -> BatchSampler:
        return BatchSampler(
            job or None, batch_size, dataset=self._dataset, strategy=strategy, **more
        )

    @property
    def jobs(self) -> list[str]:
        """The name of each member's job."""
        return [sampler.job for sampler in self.samplers]

    def loaders(self, dataset: Any = None, **arguments: Any) -> list[DataLoader]:
        """The `DataLoader` of each member. Made anew with each call; the state is that of the latest.

        Args:
            dataset: None: that of the ensemble.
            arguments: as of PyTorch's DataLoader, for each (num_workers, collate_fn, ...).
        """
        dataset = self._dataset if dataset is None else dataset
        if dataset is None:
            raise UsageError("pass the dataset that is to be read: loaders(dataset)", "dataset")
        self._loaders = [
            DataLoader(dataset, batch_sampler=sampler, **arguments) for sampler in self.samplers
        ]
        return self._loaders

    # ---- checkpoints ----

    def state_dict(self) -> dict[str, Any]:
        """The positions of all members, as of `DataLoader` (or of `BatchSampler` if there are no
        loaders). Local."""
        return {"members": [one.state_dict() for one in self._places]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Each member goes on at its position. BadValue: no state of an ensemble, of another number of
        members, or as of `BatchSampler`."""
        states: list[State] | None = state.get("members")
        if not isinstance(states, list):
            raise BadValue(
                "this is no state of an Ensemble: pass what its state_dict() returned", "members"
            )
        if len(states) != self.members:
            raise BadValue(
                f"this state is of {len(states)} members, and the ensemble has {self.members}: their parts "
                "are others. Make it as it was",
                "members",
            )
        for one, its in zip(self._places, states):
            one.load_state_dict(its)

    @property
    def _places(self) -> Sequence[DataLoader | BatchSampler]:
        """What knows how far each member has come."""
        return self._loaders or self.samplers

    # ---- the end ----

    def close(self) -> None:
        """Detaches from all jobs, which stay: those with a name until they are dropped, others for
        5 minutes after the last process that used them."""
        for sampler in self.samplers:
            sampler.close()

    def drop(self) -> None:
        """Detaches from all jobs, and removes them with their datasets. In a torch.distributed group all
        ranks call this; without one, Conflict while other processes are attached."""
        self.close()
        if not self.samplers:
            return
        attachment = self.samplers[0]._attachment
        try:
            if together(attachment.world_size):
                agree(self.jobs, "removing jobs")
                on_rank_0(self._drop)
            else:
                self._drop()
        finally:
            attachment.close()

    def _drop(self) -> None:
        client = self.samplers[0]._attachment.client()
        for job in self.jobs:
            try:
                client.drop_job(job)
            except NotFound:  # by another process, or a call that did not end
                pass

    def __enter__(self) -> Ensemble:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- what they say together ----

    def predict(
        self,
        models: Sequence[Callable[[Any], Any]],
        x: Any,
        how: Literal["mean", "vote"] = "mean",
        *,
        outputs: Outputs = "logits",
    ) -> torch.Tensor:
        """The class of each sample, int64 of shape (n,).

        Args:
            models: one for each member, in any order. Each is called with x, without gradients, and returns
                shape (n, classes). Modules must be in eval mode.
            how: "mean": the class of the highest mean probability; "vote": the one that most models hold for
                the likeliest; of several with as many votes the one of the highest mean probability. What is
                equal then too is decided for the lower number.
            outputs: what models return: "logits" (the softmax of which is taken) or "probabilities".

        Raises:
            BadValue: shapes that differ, NaN, no probabilities where these were announced, or
            probabilities where logits were. UsageError: a Module in training mode.
        """
        each = self._each(models, x, outputs)
        mean = each.mean(0)
        if how == "mean":
            return mean.argmax(1)
        if how != "vote":
            raise BadValue(f'how is "mean" or "vote", not {how!r}', "how")
        votes = torch.nn.functional.one_hot(each.argmax(2), each.shape[2]).sum(0)
        most = votes == votes.amax(1, keepdim=True)
        return mean.masked_fill(~most, -1.0).argmax(1)

    def probabilities(
        self, models: Sequence[Callable[[Any], Any]], x: Any, *, outputs: Outputs = "logits"
    ) -> torch.Tensor:
        """The mean of the probabilities that the models give, shape (n, classes). As `predict`."""
        return self._each(models, x, outputs).mean(0)

    def _each(
        self, models: Sequence[Callable[[Any], Any]], x: Any, outputs: Outputs
    ) -> torch.Tensor:
        """Probabilities of each model, shape (members, n, classes)."""
        if len(models) != self.members:
            raise BadValue(
                f"there are {len(models)} models, and the ensemble has {self.members} members", "models"
            )
        if outputs not in ("logits", "probabilities"):
            raise BadValue(f'outputs are "logits" or "probabilities", not {outputs!r}', "outputs")
        found: list[torch.Tensor] = []
        for i, model in enumerate(models):
            if isinstance(model, torch.nn.Module) and model.training:
                raise UsageError(f"models[{i}] is in training mode: call its eval() first", "models")
            with torch.no_grad():
                found.append(_probabilities(model(x), outputs, f"models[{i}]"))
            if found[i].shape != found[0].shape:
                raise BadValue(
                    f"models[{i}] returned shape {tuple(found[i].shape)}, and models[0] "
                    f"{tuple(found[0].shape)}",
                    "models",
                )
        return torch.stack([one.to(found[0].device) for one in found])


def _probabilities(said: Any, outputs: Outputs, who: str) -> torch.Tensor:
    """What a model returned, checked, as probabilities."""
    try:
        values = torch.as_tensor(said)
    except (TypeError, ValueError, RuntimeError):
        raise BadValue(
            f"{who} returned a {type(said).__name__}, and an array or tensor of shape (n, classes) is "
            "needed: pass a function that takes it from there, such as lambda x: model(x).logits",
            "models",
        ) from None
    if values.ndim != 2 or values.shape[1] < 2:
        raise BadValue(
            f"{who} returned shape {tuple(values.shape)}, and (n, classes) is needed; one logit z for two "
            "classes is torch.stack([torch.zeros_like(z), z], 1) of shape (n, 2)",
            "models",
        )
    values = values if values.dtype == torch.float64 else values.float()
    likely = bool((values >= 0).all() and ((values.sum(1) - 1).abs() <= _ROUNDING).all())
    if outputs == "probabilities":
        if not likely:
            raise BadValue(
                f"{who} returned what are no probabilities, which are at least 0 and sum to 1: for logits "
                'leave outputs="probabilities" out',
                "outputs",
            )
        return values
    if likely and len(values) > 0:
        raise BadValue(
            f"{who} returned probabilities, of which a softmax would make others: pass "
            'outputs="probabilities"',
            "outputs",
        )
    values = values.softmax(1)
    if values.isnan().any():
        raise BadValue(f"{who} returned NaN, or infinite logits that have no softmax", "models")
    return values
