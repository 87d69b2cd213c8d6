"""Policies that learn while their reward is learned from preferences, on stable-baselines3."""

# ruff: noqa: E402  (what is imported first decides what is printed)

from vlfeedback.optional import hide_gym_notice, require

hide_gym_notice()  # stable-baselines3 imports the old gym where it is installed
require("stable_baselines3", extra="online", needed_by="Online learning")

from vlfeedback.models.adapters.training import AdapterTraining
from vlfeedback.online.feedback import FeedbackCallback
from vlfeedback.online.paying_environments import PayingEnvironments
from vlfeedback.online.pebble import PEBBLE
from vlfeedback.online.prefppo import PrefPPO
from vlfeedback.online.prefvlm import PrefVLM, PrefVLMConfig
from vlfeedback.online.presets import PRESETS, OnlinePreset, get_online_preset
from vlfeedback.online.recording import RecordEpisodes
from vlfeedback.online.replay_buffer import LearnedRewardBuffer
from vlfeedback.online.reward_learner import SessionReport
from vlfeedback.online.rime import RIMEConfig, RIMEFilter
from vlfeedback.online.rune import RUNEConfig
from vlfeedback.online.settings import FeedbackConfig
from vlfeedback.online.surf import SURFConfig
from vlfeedback.online.training import OnlineResult, train_online
from vlfeedback.online.watching import WatchReward

__all__ = [
    "PEBBLE",
    "PRESETS",
    "AdapterTraining",
    "FeedbackCallback",
    "FeedbackConfig",
    "LearnedRewardBuffer",
    "OnlinePreset",
    "OnlineResult",
    "PayingEnvironments",
    "PrefPPO",
    "PrefVLM",
    "PrefVLMConfig",
    "RIMEConfig",
    "RIMEFilter",
    "RUNEConfig",
    "RecordEpisodes",
    "SURFConfig",
    "SessionReport",
    "WatchReward",
    "get_online_preset",
    "train_online",
]
