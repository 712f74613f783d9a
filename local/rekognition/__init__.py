"""A stand-in for Amazon Rekognition: it speaks the wire protocol, looks at the pixels, and keeps limits and quotas.

``docs/local.md`` says what it sees and how it can be set to misbehave.
"""

from local.rekognition.server import serving
from local.rekognition.settings import Behaviour, RekognitionSettings

__all__ = ["Behaviour", "RekognitionSettings", "serving"]
