"""The page in the browser on which people compare the clips of a queue; ``vlfeedback serve QUEUE``.

`vlfeedback.preferences.human` puts pairs into the queue and reads the answers.
"""

from vlfeedback.labelling_page.access import token_of_queue
from vlfeedback.labelling_page.app import make_app
from vlfeedback.labelling_page.server import Address, serve

__all__ = ["Address", "make_app", "serve", "token_of_queue"]
