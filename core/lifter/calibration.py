# SPDX-License-Identifier: GPL-3.0-or-later
"""After training: the mirror image that is a body, and an anatomical canonical frame.

The losses hold as well for the mirror image of everything and for any turned canonical frame. Both are settled once,
and stored with the weights.
"""

from __future__ import annotations

import numpy as np
import torch

from ..skeleton import Skeleton
from .anatomy import body_frame, hinge_evidence
from .data import PoseSource
from .student import Student
from .teacher import Teacher


@torch.no_grad()
def calibrate(
    teacher: Teacher, student: Student, source: PoseSource, skeleton: Skeleton, generator: torch.Generator, samples: int = 8192
) -> None:
    """Set `teacher.mirror`, `teacher.frame` and `student.mirror` from poses of the training data.

    The mirror is the one in which hinges bend their way on average; the frame turns the mean canonical pose upright
    (Z up) and to face -Y.
    """
    teacher.eval()
    student.eval()
    teacher.mirror.fill_(1)
    student.mirror.fill_(1)
    teacher.frame.copy_(torch.eye(3))
    batch = source.sample(samples, generator)
    seen = (batch.plane, batch.distance, batch.observed)
    for network, pose in ((teacher, teacher(*seen).camera()), (student, student(*seen))):
        if hinge_evidence(pose.cpu().numpy(), skeleton).mean() < 0:
            network.mirror.fill_(-1)
    canonical = teacher(*seen).canonical.cpu().numpy()
    mean = np.median(canonical, axis=0)
    teacher.frame.copy_(torch.from_numpy(np.ascontiguousarray(body_frame(mean, skeleton))))
