"""License a recording: a preset's terms, signed by its owner, minted without gas.

    python examples/license_recording.py FILE TITLE ARTIST

FILE is the recording: its digest is taken here, and the file goes nowhere. The environment names the web backend, the
deployment and the owner's key, as `make up` writes it.
"""

import os
import sys
from pathlib import Path

from obbligato.chain.deployment import read_deployment
from obbligato.client.backend import BackendClient
from obbligato.documents.license import Recording
from obbligato.documents.terms_input import terms_from
from obbligato.keys import open_keystore
from obbligato.recordings import content_hash
from obbligato.schemas.act_states import ActState
from obbligato.schemas.acts import MintRequest

file, title, artist = sys.argv[1:]

with BackendClient(
    os.environ["OBBLIGATO_BACKEND_URL"],
    read_deployment(Path(os.environ["OBBLIGATO_DEPLOYMENT"])),
    signer=open_keystore(
        Path(os.environ["OBBLIGATO_KEYSTORE"]), Path(os.environ["OBBLIGATO_PASSWORD_FILE"])
    ),
) as client:
    recording = Recording(title=title, artists=(artist,), content_hash=content_hash(Path(file)))
    request = MintRequest.of(recording, terms_from({"preset": "train-dont-imitate"}))
    act = client.prepare(request)
    print(*act.preview.sentences, sep="\n")
    act = client.sign(act, request)  # refuses an act that is not this request
    act = client.wait(act.id, ActState.FINAL)
    print("licence", act.result["license_id"])
