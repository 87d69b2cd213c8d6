"""The public names of vlfeedback, each with the module that it is imported from when it is used.

The one list of them: ``__init__.py`` reads it, and so do type checkers and editors.
"""

from vlfeedback import adapters as adapters
from vlfeedback._version import __version__ as __version__
from vlfeedback.data.cut_off import without_rest as without_rest
from vlfeedback.data.preferences import PreferenceDataset as PreferenceDataset
from vlfeedback.data.sampling import sample_segment_pairs as sample_segment_pairs
from vlfeedback.models.reward.fit import fit_reward_model as fit_reward_model
from vlfeedback.models.reward.model import RewardModel as RewardModel
from vlfeedback.models.reward.networks import RewardModelConfig as RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining as RewardTraining
from vlfeedback.preferences import PreferenceFromReward as PreferenceFromReward
from vlfeedback.preferences import list_preference_sources as list_preference_sources
from vlfeedback.preferences import make_preference_source as make_preference_source
from vlfeedback.rewards import list_reward_sources as list_reward_sources
from vlfeedback.rewards import make_reward_source as make_reward_source
from vlfeedback.rewards.learned import LearnedReward as LearnedReward
from vlfeedback.scoring.cached_embeddings import CachedEmbeddings as CachedEmbeddings
from vlfeedback.scoring.labelling import label_pairs as label_pairs
from vlfeedback.scoring.relabel import relabel as relabel
from vlfeedback.tasks import TaskSpec as TaskSpec
from vlfeedback.tasks import get_task as get_task
from vlfeedback.tasks import list_tasks as list_tasks
from vlfeedback.tasks import own_task as own_task
from vlfeedback.tasks import register_task as register_task
from vlfeedback.types import LabelRecord as LabelRecord
from vlfeedback.types import Outcome as Outcome
from vlfeedback.types import PreferenceLabels as PreferenceLabels
from vlfeedback.types import PreferenceSource as PreferenceSource
from vlfeedback.types import RewardSource as RewardSource
from vlfeedback.types import Segment as Segment
from vlfeedback.types import SegmentBatch as SegmentBatch
from vlfeedback.types import SegmentPairs as SegmentPairs
from vlfeedback.types import SourceNeeds as SourceNeeds
from vlfeedback.types import Trajectory as Trajectory
from vlfeedback.wrappers import CaptureFrames as CaptureFrames
from vlfeedback.wrappers import FlatObservations as FlatObservations
from vlfeedback.wrappers import RewardFromSource as RewardFromSource
from vlfeedback.wrappers import VectorRewardFromSource as VectorRewardFromSource

__all__: list[str]
