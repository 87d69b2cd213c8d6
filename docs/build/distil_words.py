r"""Make the table of `vlfeedback.encoders.words` from a sentence encoder, once, before a release.

The method follows model2vec (https://github.com/MinishLab/model2vec): every token of the
encoder's own vocabulary goes through the encoder, and the outputs are reduced by principal
components. Two things differ. Each token is seen in a few short contexts, because alone "close"
is read as "near"; and words of handling that WordPiece would split ("faucet" into "fau" and
"##cet") get a vector of their own.

    python docs/build/distil_words.py \
        --vocabulary vocab.txt --model all-MiniLM-L6-v2/ --out words.safetensors
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from safetensors.numpy import save

from vlfeedback.data.seals import sealed
from vlfeedback.encoders.words import WORDS_FORMAT
from vlfeedback.errors import InvalidValueError, MissingExtraError

__all__ = ["CONTEXTS", "HANDLING_WORDS", "distil_words", "select_tokens", "write_words"]

CONTEXTS = ("{}", "the robot should {} it", "the {} on the table")
"""A token is encoded in each of these and the centred results are averaged."""

_KEPT = re.compile(r"(##)?([a-z]+|[0-9])")
_BATCH = 256

HANDLING_WORDS = """
actuator actuators aircon ajar aligning aligns anticlockwise apertures assembles assembling attaches
attaching aubergine avocado avocados backboard bagel baguette barista barricade barricades bashes
batons beaker beakers benchtop bins biscuit blender blenders bolting bookcase bookcases bookmark
bookshelf bookshelves bottommost bounces broccoli brooms broomstick buckets buckles bumping bung
burner burners caddy canister canisters capping cappuccino carafe carrots carton cartons casement
casing casserole cavities celery charger cherries chisel chisels chopping chopstick chopsticks clamp
clamping clamps clasping clasps clenches clipboard clipping coasters coffeemaker coffeepot coils
colander compress compresses compressing cooker cooktop cookware corked corks corkscrew corncob
counterclockwise countertop countertops cracker crackers cram crammed crams cranked cranking cranks
crayon crayons crease creases crevice crockery croissant crossbar crosswise crowbar crumple cubes
cuboid cuboids cucumber cucumbers cupboards cupcake cutlery cutlet deadbolt deadbolts decanter
decouple depositing depress depresses depressing detach detaches detaching diagonally dials dipstick
disassemble disassembled disassembles disassembling disassembly disconnect disconnecting disconnects
disengage disengaged disengages disengaging dishware dishwasher dishwashers dislodge dislodged
dislodges dislodging dismantle dismantles dismantling dismount dismounts dispense dispensed
dispenser dispensers dispenses dispensing divider dividers donut doorframe doorhandle doorknob
doorknobs doormat doorstop doorways doughnut dowel dowels drags drainpipe drape drapes dressers
dribble dribbles drips drizzle dunk dunked dunking dunks dustbin duster dustpan effector effectors
eggplant eject ejecting ejection ejects elevate elevates elevating embed empties emptying envelopes
eraser erasers espresso extracting extricate farthest fasten fastener fasteners fastening fastens
faucet faucets fetched fetches fetching fingertip flask flatten flattening flattens flicks flinging
flings flips flowerpot folders footstool freezer freezers fridges frisbee frontward furthest gasket
gaskets gavel glassware glides goalmouth goalpost goalposts goblet grasps grater griddle grinder
gripper grippers gutter hacksaw hairbrush hammers hamper hatches hauls headphones headset heater
heaters heave heaves hinge hinged hob hoist hoisting hoists hollows hooking hoops hosepipe hotplate
hover hovers hurl hurls impale indent indentation inserting inserts inwards jab jabbed jabbing jabs
jams jostle joystick joysticks jugs juicer ketchup kettles keyhole keyholes keypad kitchenware
knobbed knobs knuckle laces ladle ladles lampshade laptops latched latches latching laterally latte
ledges leftward leftwards lemons lengthwise lettuce levered levering levers lidded lightbulb
lightbulbs limes lob lobbed lobs lollipop loosening loosens louver lug lugged lugs lunchbox mallet
mallets maneuvering manipulator manipulators manoeuvre mantelpiece marbles mash mashes mayonnaise
microwaves midair mop mopped mopping mops muffin mugs nailing napkins navigates navigating nearside
notches notebooks notepad nozzle nozzles nudge nudges nudging obstructions offload openers oranges
organiser outwards ovens overturn padlock padlocks pane panes paperclip paperclips partitions
partway peaches pears pedestals peeler peephole pegboard pegboards pegged pegging pegs pellet
pellets pencils percolator pillowcase pincer pincers pinches pinching pineapple pineapples pivot
pivoted pivoting pivots planks platter platters plier pliers pluck plucking plucks plugged plugging
plughole plugs plums plunges plywood pokes pouches pours pries prise prised prod prodded prodding
prods prying pucks pulley pulleys pullout punts pushpin putt putter putts radiator ramekin realign
realigned rearrange rearranged rearranges rearranging rearward rearwards reassemble recap receptacle
receptacles recessed recesses reclose reconnect reels refill refilled refilling refills refold
reload relocates reopen reopening reopens reposition repositioned repositioning repositions reseal
retract retracting retraction retracts retrieves retrieving rightward rightwards rims rinse rinses
rivet rivets rotates sashes saucepan saucepans saucer saucers scooping scoops scoot scooting scoots
scoreboard scraper scrapes screwdriver screwdrivers screws screwtop scrubbing scrubs shampoo
sharpener shelve shelved shelving shoebox shoves showerhead shuffles shutters sideboard sidelong
sidewards sieve silverware skewer skewered skewers skid skids skillet skillets skim skims skylight
sledgehammer slider sliders slotted slotting snugly sodas spanner spanners spatula spatulas spigot
spigots spills spindle spindles splashes sponges spoonful sprays sprinkle sprinkled sprinkler
sprinkles squashed squashes squeezes squirt squish stacking stapler staplers stash steers stirs
stopcock stopper stoppers stovetop stow stowed stowing stows straightens strainer strawberries swats
swatted swipe swipes swiping swirls swivel swiveled swiveling swivelled swivels tablecloth
tablespoon tabletop tabletops tableware tacks teacup teacups teapot teapots teaspoon teaspoons
thermos thermostat threading thumbtack thumps tightens tilts toaster toasters toggle toggled toggles
toggling tokens tongs toolbox toolboxes toothbrush toothbrushes toothpaste toothpick topdown topmost
topple topples topside tosses tote totes tows trashcan trays tshirt tubs tucks tumbler tumblers
tweezers twirl twirled twirling twirls unbolt unbolted unbolting unbuckle unbuckled uncap uncapped
uncaps unclamp unclench unclip unclipped unclips unclose uncoil uncork uncorked uncorks uncouple
uncovering uncovers unfasten unfastened unfastening unfastens unfold unfolding unfolds ungrasp
ungrip unhitch unhook unhooked unhooking unhooks unlatch unlatched unlatches unlatching unload
unloading unloads unlocking unlocks unplug unplugged unplugging unplugs unroll unrolled unrolls
unscrew unscrewed unscrewing unscrews unseal unsealed unseals unshelve unshut unstack unstacked
unstacking unstacks untangle untie untied unties uplift uppermost upraise upturn ushers utensil
utensils vases wardrobes washbasin washer washers wastebasket watermelon wedged wedges wedging whack
whacked whacking whacks whirl whisk whisks winch winches windowpane windowpanes windowsill wipes
withdraws wok woodblock workbench workbenches workpiece workpieces workspace worktop worktops wrench
wrenches wrinkle wrinkles yanks yoghurt yogurt zucchini
"""
"""Words of tools, household things and motions that all-MiniLM-L6-v2's WordPiece splits."""


def select_tokens(vocabulary: Iterable[str]) -> list[str]:
    """The tokens worth a row: lower-case ASCII words and pieces, and single digits.

    Order is kept, repeats are dropped.

    >>> select_tokens(["[PAD]", "the", "##ing", "1984", "7", "é", "the"])
    ['the', '##ing', '7']
    """
    return [token for token in dict.fromkeys(vocabulary) if _KEPT.fullmatch(token)]


def distil_words(
    encode: Callable[[list[str]], Float32[np.ndarray, "B E"]],
    vocabulary: Sequence[str],
    *,
    dim: int = 64,
) -> Float32[np.ndarray, "V {dim}"]:
    """One vector a token.

    In each context the encodings are scaled to length 1 and centred; their mean over the
    contexts is projected on its first `dim` principal components, each divided by the square
    root of its singular value (halfway to white: common directions stop drowning rare ones, and
    noise is not blown up), and each row is scaled to root mean square 1.

    Args:
        encode: a batch of texts to their embeddings ``(B, E)``. A word ``##ing`` of a text is
            that piece of the encoder's vocabulary.
        vocabulary: V tokens.
        dim: length of a vector; at most E and at most V.

    Raises:
        InvalidValueError: `dim` is larger than the encodings or the vocabulary allow.
    """
    encodings = np.mean([_centred(encode, vocabulary, context) for context in CONTEXTS], axis=0)
    if not 0 < dim <= min(encodings.shape):
        raise InvalidValueError(
            f"dim is {dim}; {len(vocabulary)} tokens encoded in {encodings.shape[1]} numbers give "
            f"at most {min(encodings.shape)} components. Pass a smaller dim or more tokens."
        )
    values, axes = np.linalg.eigh(encodings.T @ encodings)
    values, axes = values[::-1][:dim], axes[:, ::-1][:, :dim]
    # The sign of an eigenvector is arbitrary: fixing it makes the table repeatable.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dim)])
    # An eigenvalue is a squared singular value: its fourth root is the square root of the latter.
    vectors = encodings @ axes / values**0.25
    vectors /= np.sqrt(np.mean(vectors**2, axis=1, keepdims=True))
    return np.asarray(vectors, dtype=np.float32)


def write_words(path: Path, vocabulary: Sequence[str], vectors: Float32[np.ndarray, "V D"]) -> None:
    """Write a table: vectors as int8 with one float32 scale a row, tokens joined by newlines."""
    scales = np.abs(vectors).max(axis=1) / 127
    tensors = {
        "vectors": np.rint(vectors / scales[:, None]).astype(np.int8),
        "scales": scales.astype(np.float32),
        "vocabulary": np.frombuffer("\n".join(vocabulary).encode("ascii"), dtype=np.uint8),
    }
    path.write_bytes(sealed(save(tensors, metadata={"format": WORDS_FORMAT})))


def _centred(
    encode: Callable[[list[str]], Float32[np.ndarray, "B E"]],
    vocabulary: Sequence[str],
    context: str,
) -> np.ndarray:
    texts = [context.format(token) for token in vocabulary]
    batches = [encode(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    rows = np.concatenate(batches).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    centred: np.ndarray = rows - rows.mean(axis=0)
    return centred


def _sentence_encoder(model: str) -> Callable[[list[str]], Float32[np.ndarray, "B E"]]:
    """Mean pooling over all tokens, as all-MiniLM-L6-v2 prescribes."""
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError(
            f"Distilling word vectors needs torch and transformers ({error}). Install them with: "
            "pip install torch transformers. Reading the finished table needs neither."
        ) from error
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModel.from_pretrained(model).eval()
    known = tokenizer.get_vocab()

    def ids_of(text: str) -> list[int]:
        ids = [tokenizer.cls_token_id]
        for word in text.split():
            if word in known:  # also the pieces "##ing", which no text would give
                ids.append(known[word])
            else:
                ids.extend(tokenizer(word, add_special_tokens=False)["input_ids"])
        return [*ids, tokenizer.sep_token_id]

    def encode(texts: list[str]) -> Float32[np.ndarray, "B E"]:
        rows = [ids_of(text) for text in texts]
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        with torch.inference_mode():
            states = network(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled = (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        return np.asarray(pooled.numpy(), dtype=np.float32)

    return encode


def main(arguments: Sequence[str] | None = None) -> None:
    """Distil and write, as the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--vocabulary", type=Path, required=True, help="WordPiece vocab.txt")
    parser.add_argument("--model", required=True, help="folder of the sentence encoder")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--dim", type=int, default=64, help="length of a vector")
    options = parser.parse_args(arguments)
    pieces = options.vocabulary.read_text(encoding="utf-8").splitlines()
    vocabulary = select_tokens([*pieces, *HANDLING_WORDS.split()])
    vectors = distil_words(_sentence_encoder(options.model), vocabulary, dim=options.dim)
    write_words(options.out, vocabulary, vectors)
    print(f"{options.out}: {len(vocabulary)} tokens, {options.dim} numbers each")


if __name__ == "__main__":
    main()
