"""The prediction loop: Lightning's, over what the other loops iterate over."""

from __future__ import annotations

from pytorch_lightning.loops.prediction_loop import _PredictionLoop

from runtime.data import whole


class PredictionLoop(_PredictionLoop):
    """Predicts for each batch of a list as for those of a loader; Lightning would take each of them for a loader.

    A list of loaders stays several loaders, as in an evaluation.
    """

    def setup_data(self) -> None:
        """Get the data from where they come."""
        with whole(self._data_source):
            super().setup_data()
