"""The connection to a daemon: datasets, jobs, statistics."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import _attachments, _library, labels as _labels
from ._arrays import numbers
from ._feedback import Feedback
from ._neighbours import Neighbours
from ._select import Selections
from ._values import Result, Strategy, as_strategy, as_text
from .errors import BadValue, Error, UsageError
from .stream import Stream

lib = _library.lib


def connect(
    address: str | None = None,
    *,
    name: str | None = None,
    time_limit: float = 30.0,
    reconnect: float | None = 60.0,
) -> Client:
    """Connects to a daemon.

    Args:
        address: ``"unix:/path"``, ``"/path"``, ``"tcp:host:port"``; None: the environment variable
            EVENDRAW_SERVER, or else the daemon's default socket.
        name: who this is, for the daemon's log and as author of changes.
        time_limit: seconds for connecting and for every call (not for waiting for batches).
        reconnect: seconds to try when the connection is lost; 0: not at all; None: for ever. Until
            then a daemon that is restarted is a pause and nothing else.

    Raises:
        ConnectError: no daemon there.
    """
    return Client(address, name=name, time_limit=time_limit, reconnect=reconnect)


class Client(Feedback, Neighbours, Selections):
    """One connection. May be used by several threads, one of which waits while another calls.

    A connection does not survive fork(): in the child it is closed, and using it raises UsageError.
    """

    def info(self) -> Result:
        """How the daemon is doing."""
        return self.call("server.info")

    def strategies(self) -> list[Result]:
        """Every strategy with its parameters, an example and what it does."""
        return self.call("strategy.list")["strategies"]  # type: ignore[no-any-return]

    # ---- datasets ----

    def create_dataset(
        self,
        name: str,
        labels: Any,
        classes: Sequence[Hashable] | None = None,
        *,
        weights: Mapping[str, Any] | None = None,
        owned: bool = False,
    ) -> Result:
        """Sends labels as a new dataset, or as the next version of one that exists.

        Args:
            labels: shape (n,) or (n, 1): list, NumPy array, torch tensor, pandas Series of anything
                hashable; or a dataset (`labels.labels_of` says where its labels are looked for).
                None and NaN: no label, never drawn. Sample i of the dataset is labels[i].
            classes: their order, where not sorted; names where labels are numbers.
            weights: by column name, arrays of shape (n,) with one finite number >= 0 for each
                sample, to which a weighted strategy can refer.
            owned: it is made for a job, and goes with the last job that draws from it; until there
                is one it is kept while this client is connected. Where the daemon has the same
                labels already the answer names that dataset and version, and nothing is stored twice.

        Returns:
            dataset, version, samples, labelled, classes (how many), checksum, ...

        Raises:
            BadValue: of labels, classes or weights, before anything is sent.
        """
        names, codes = _labels.encode(labels, classes)
        codes = np.ascontiguousarray(codes, dtype="<u4")
        columns = _weight_columns(weights, len(codes))
        upload = ctypes.c_void_p()
        texts = (ctypes.c_char_p * len(names))(*(as_text(n, "classes") for n in names))
        result = ctypes.c_void_p()
        begin = lib.evd_dataset_begin_owned if owned else lib.evd_dataset_begin
        with self._use():
            self._check(
                begin(
                    self._handle, as_text(name, "name"), texts, len(names), ctypes.byref(upload)
                )
            )
            try:
                self._check(lib.evd_dataset_append(upload, codes.ctypes.data, len(codes)))
                for column, array in columns:
                    self._check(
                        lib.evd_dataset_weights(upload, column, array.ctypes.data, len(array))
                    )
            except Error:
                lib.evd_dataset_abort(upload)
                raise
            self._check(lib.evd_dataset_commit(upload, ctypes.byref(result)))
            return json.loads(_library.take_text(result))  # type: ignore[no-any-return]

    def datasets(self) -> list[Result]:
        """All versions of all datasets."""
        return self._rows("dataset.list", "datasets", dataset="after", version="after_version")

    def dataset(self, name: str, version: int | None = None) -> Result:
        """One version; None: the newest. Raises NotFound."""
        return self.call("dataset.info", dataset=name, version=version)

    def labels(self, name: str, version: int | None = None) -> NDArray[np.int32]:
        """The labels of a version as the daemon has them; version None: the newest.

        Returns:
            shape (samples,): the class number of each sample, -1 where it has no label. What the
            classes are called says `dataset_stats`.

        Raises:
            NotFound.
        """
        labels = _attachments.labels(self, self.dataset(name, version))
        return labels.view(np.int32)  # no label is all ones

    def dataset_stats(self, name: str, version: int | None = None) -> Result:
        """How samples are spread over classes.

        Returns:
            samples, labelled, unlabelled, classes, empty_classes, imbalance_ratio, entropy (bits),
            balance (0..1), largest, smallest; and by class, shape (classes,): class (list of names),
            count (int64), share (float64, of the labelled samples).
        """
        return self._paged("dataset.stats", dataset=name, version=version)

    def class_weights(
        self,
        dataset: str | None = None,
        kind: str = "balanced",
        *,
        job: str | None = None,
        beta: float | None = None,
        tau: float | None = None,
        version: int | None = None,
        like: Literal["numpy", "torch"] = "numpy",
    ) -> Any:
        """Class weights for a loss, in class order, shape (classes,).

        Of a dataset, or of what a job's present strategy serves (then a job that draws all classes
        alike has equal weights, and the loss does not correct a second time)::

            CrossEntropyLoss(weight=client.class_weights("pets", "balanced", like="torch"))
            BCEWithLogitsLoss(pos_weight=client.class_weights("pets", "pos-weight", like="torch")[1])

        Args:
            kind: "balanced" (scikit-learn's), "inverse", "sqrt-inverse", "effective" (with beta),
                "pos-weight" (each class against the rest), "log-prior" (to be added to logits) or
                "logit-adjustment" (with tau; see `logit_adjustment`).
            like: float64 in "numpy", float32 in "torch".

        Returns:
            0 for a class without samples; its log prior and its logit adjustment are -inf.
        """
        if (dataset is None) == (job is None):
            raise UsageError("class_weights wants a dataset or job=, one of them")
        if job is not None:
            answer = self._paged("job.stats", job=job, weights=kind, beta=beta, tau=tau)
        else:
            answer = self._paged(
                "dataset.stats",
                dataset=dataset,
                version=version,
                weights=kind,
                beta=beta,
                tau=tau,
            )
        weights = answer["weight"].astype(np.float64)
        weights[np.isnan(weights)] = -np.inf  # the wire has no infinity
        if like == "numpy":
            return weights
        import torch

        return torch.from_numpy(weights).float()

    def logit_adjustment(
        self,
        dataset: str | None = None,
        *,
        job: str | None = None,
        tau: float = 1.0,
        post_hoc: bool = False,
        version: int | None = None,
        like: Literal["numpy", "torch"] = "numpy",
    ) -> Any:
        """What is added to the logits so that rare classes are not left behind, shape (classes,)
        (Menon et al. 2021). Either in the loss, while the model is trained, and then not when it
        predicts; or, with `post_hoc`, when a model predicts that was trained without::

            adjust = client.logit_adjustment("pets", like="torch")
            loss = cross_entropy(model(x) + adjust, y)              # and predict by model(x)

            adjust = client.logit_adjustment("pets", post_hoc=True, like="torch")
            predicted = (model(x) + adjust).argmax(1)               # trained by cross_entropy(model(x), y)

        Args:
            dataset, job: what the model is trained on: a dataset as it is, or what a job's present
                strategy serves. Of a job that draws all classes alike nothing is left to adjust:
                what is added is the same for all classes.
            tau: how strongly, over 0, at most 1000000; 1: for the best balanced accuracy, if the model's
                probabilities are right.
            like: float64 in "numpy", float32 in "torch".

        Returns:
            tau * log(share of the class), with `post_hoc` the opposite. -inf in either for a class
            without samples: nothing was learnt about it, so it is not predicted.
        """
        weights = self.class_weights(
            dataset, "logit-adjustment", job=job, tau=tau, version=version, like=like
        )
        if post_hoc:
            known = weights != -np.inf
            weights[known] = -weights[known]
        return weights

    def drop_dataset(self, name: str, version: int | None = None) -> None:
        """Removes a version (None: the newest). Raises Conflict while a job uses it."""
        self.call("dataset.drop", dataset=name, version=version)

    # ---- jobs ----

    def create_job(
        self,
        name: str,
        dataset: str,
        batch_size: int,
        strategy: Strategy | None = None,
        *,
        version: int | None = None,
        seed: int | None = None,
        mode: Literal["shared", "ranked"] | None = None,
        world_size: int | None = None,
        last_batch: Literal["short", "drop", "pad", "exact"] | None = None,
        if_exists: Literal["refuse", "same", "attach", "restart"] | None = None,
        ephemeral: float | None = None,
        retain_epochs: int | None = None,
        **more: Any,
    ) -> Result:
        """Creates a job: what is drawn, from which version, how.

        Args:
            batch_size: global, of all ranks together.
            strategy: None: "uniform".
            seed: None: 0.
            mode: None or "shared": each step goes to one worker; "ranked": every rank gets its slice of
                every step.
            world_size: ranked: how many ranks; None: the first to attach says it.
            last_batch: when the epoch does not divide into batches.
            if_exists: what happens if there is a job of that name: "refuse" (the default), "same"
                (it is joined if it is just this one, else Exists says what differs), "attach" (it
                is joined as it is) or "restart" (it ends, and the new one takes its place).
            ephemeral: seconds; the job is dropped when nobody has used it for so long.
            retain_epochs: strategies that draw nothing any more in the last so many epochs are
                forgotten, and what they drew cannot be drawn again; None: all are kept.
            more: other fields of job.create.

        Returns:
            As `job`, and joined (bool): it was there before.

        Raises:
            Exists, NotFound (dataset), StrategyError; Busy (it is being created or dropped at this
            moment: ask again); Conflict ("restart" while workers are attached).
        """
        return self.call(
            "job.create",
            name=name,
            dataset=dataset,
            version=version,
            strategy=None if strategy is None else as_strategy(strategy),
            batch_size=batch_size,
            seed=seed,
            mode=mode,
            world_size=world_size,
            last_batch=last_batch,
            if_exists=if_exists,
            ephemeral=None if ephemeral is None else round(ephemeral * 1000),
            retain_epochs=retain_epochs,
            **more,
        )

    def update_job(
        self,
        name: str,
        strategy: Strategy,
        *,
        when: Literal["now", "epoch", "at"] = "now",
        epoch: int | None = None,
        step: int | None = None,
    ) -> Result:
        """Gives a running job another strategy; nothing that was handed out changes.

        Returns:
            job, revision, epoch, step: the first step drawn with it, on every rank.
        """
        return self.call(
            "job.update",
            job=name,
            strategy=as_strategy(strategy),
            when=when,
            epoch=epoch,
            step=step,
        )

    def preview(
        self,
        strategy: Strategy,
        *,
        job: str | None = None,
        dataset: str | None = None,
        batch_size: int | None = None,
        **more: Any,
    ) -> Result:
        """What a strategy would do, without creating or changing anything: for a job that exists,
        or for a dataset and a batch size. What it refuses, `create_job` and `update_job` refuse.

        Returns:
            steps, samples (of the epoch), memory (bytes), build_ms, columns; and by class, shape
            (classes,): class (list of names), count (int64), drawn, repeats, coverage, per_batch
            (float64).
        """
        return self._paged(
            "job.preview",
            strategy=as_strategy(strategy),
            job=job,
            dataset=dataset,
            batch_size=batch_size,
            **more,
        )

    def jobs(self) -> list[Result]:
        """All jobs."""
        return self._rows("job.list", "jobs", job="after")

    def job(self, name: str) -> Result:
        """A job's settings, position and revisions. Raises NotFound."""
        return self.call("job.info", job=name)

    def job_stats(self, name: str, epoch: int | None = None) -> Result:
        """What a job was asked to draw and what it handed out.

        Returns:
            steps, samples, since (a map of epoch and step: what was before is forgotten), epochs;
            and by class, shape (classes,): class (list of names), asked
            (float64: the share asked for by the strategies that drew these), present (float64: by
            the present strategy), served (int64; of `epoch` only, if given), share (float64), count
            (int64, in the dataset).
        """
        return self._paged("job.stats", job=name, epoch=epoch)

    def workers(self, job: str) -> list[Result]:
        """Who is attached to a job: client, peer, state, rank, window, held, served_steps,
        acked_steps, lag, ... of each worker. Raises NotFound."""
        return self._rows("job.workers", "workers", {"job": job}, worker="after")

    def drop_job(self, name: str, *, force: bool = False) -> None:
        """Removes a job. Raises Conflict while workers are attached, unless `force`."""
        self.call("job.drop", job=name, force=force)

    # ---- batches ----

    def open(
        self,
        job: str,
        *,
        rank: int | None = None,
        world_size: int | None = None,
        window: int = 0,
        columns: Sequence[str] = (),
        manual_ack: bool = False,
        early_end: bool = False,
        exclusive: bool = False,
    ) -> Stream:
        """Attaches to a job as a worker.

        Args:
            rank, world_size: of a ranked job.
            window: unacknowledged batches under way at most; 0: the daemon chooses, usually 8.
            columns: beside the index: any of label, probability, repeat, augment_seed,
                augment_strength, mix_index, mix_label, mix_lambda, mix_label_lambda (see `Batch`).
            manual_ack: `Stream.next` acknowledges nothing by itself.
            early_end: an epoch ends when nothing of it is left to hand out, though other workers
                have not yet acknowledged theirs.
            exclusive: of a shared job: nobody else may be attached meanwhile.

        Raises:
            NotFound, BadValue (rank), Conflict (the rank is taken, another world size, exclusive),
            StrategyError (a column the strategy cannot answer).
        """
        bits = 0
        for column in columns:
            if column not in _library.COLUMNS:
                raise UsageError(
                    f'there is no column "{column}": there are {", ".join(_library.COLUMNS)}', column
                )
            bits |= _library.COLUMNS[column]
        options = _library.StreamOptions(
            as_text(job, "job"),
            -1 if rank is None else rank,
            world_size or 0,
            window,
            bits,
            _library.MANUAL_ACK * manual_ack
            + _library.EARLY_END * early_end
            + _library.EXCLUSIVE * exclusive,
        )
        handle = ctypes.c_void_p()
        with self._use():
            self._check(
                lib.evd_stream_open(self._handle, ctypes.byref(options), ctypes.byref(handle))
            )
            return Stream(self, handle)


def _weight_columns(weights: Any, n: int) -> list[tuple[bytes, NDArray[np.float64]]]:
    """Columns of weights as they are sent, checked."""
    if weights is None:
        return []
    if not isinstance(weights, Mapping):
        raise BadValue(
            f'weights is a {type(weights).__name__}: pass {{"weight": weights}}, by column name',
            "weights",
        )
    return [
        (as_text(column, "weights"), numbers(values, "<f8", f"weights[{column!r}]", n=n, low=0))
        for column, values in weights.items()
    ]
