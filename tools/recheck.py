"""``liftproof validate --check-certificate``: a proof without the dataflow analysis."""

from __future__ import annotations

import time
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from ..hw.gemmini.config import GemminiConfig
from ..hw.trainium.config import TrainiumConfig
from ..validation.assumptions import ASSUMPTIONS
from ..validation.core.certificate import Certificate
from ..validation.core.checker import Violation
from ..validation.core.polyhedral import Unsupported
from ..validation.limits import ValidationOptions
from ..validation.recheck import Rechecked, check_certificate
from ..validation.streams import ORDER_ASSUMPTIONS, HazardError, has_streams, without_streams


def recheck(
    source: ModuleOp,
    target: ModuleOp,
    certificate: Certificate,
    config: GemminiConfig,
    limits: ValidationOptions,
    neuron: TrainiumConfig | None = None,
) -> dict[str, Any]:
    """The report of ``validate``; a certificate that does not hold leaves the verdict open."""
    start = time.perf_counter()
    verdict, reason, found = "proved", "", Rechecked(ASSUMPTIONS, 0, 0.0)
    order = ORDER_ASSUMPTIONS if has_streams(target) else ()
    try:
        pair = [without_streams(module, neuron) for module in (source, target)]
        found = check_certificate(pair[0], pair[1], certificate, config, limits)
    except (HazardError, Violation, Unsupported) as error:
        verdict, reason = "unknown", f"the certificate does not prove it: {error}"
    return {
        "verdict": verdict,
        "reason": reason,
        "assumptions": [*found.assumptions, *order],
        "obligations": found.obligations,
        "solver": f"{found.solver}, from a certificate",
        "solver_seconds": round(found.solver_seconds, 3),
        "seconds": round(time.perf_counter() - start, 3),
        "counterexample": None,
    }
