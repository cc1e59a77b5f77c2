"""The model card of an exported model: what it is for, how good it is, where it comes from."""

from mnist_hpo.configs import in_words
from mnist_hpo.export.exporting import TOLERANCE, Agreement
from mnist_hpo.export.formats import AbstractFormat
from mnist_hpo.final_models import FinalModel
from mnist_hpo.formats import score_text, whole_text
from mnist_hpo.reproducing import commands
from mnist_hpo.statistics import TestResult
from search.records import History


def model_card(
    history: History, model: FinalModel, form: AbstractFormat, name: str, agreement: Agreement
) -> str:
    """Returns the card as Markdown.

    Args:
        history: The study.
        model: The finalized model.
        form: The format it was exported to.
        name: Of the exported file or folder.
        agreement: What the check found.

    References:
        Mitchell et al. (2019), "Model cards for model reporting", FAT*.
    """
    facts, trial = history.facts, model.trial
    result, score = TestResult.from_json(model.result), trial.score(facts.epochs)
    low, high = result.interval
    words = ", ".join(f"{key} {value}" for key, value in in_words(trial.config).items())
    dataset = facts.dataset.rpartition("/")[2] or facts.dataset
    wrong = f"{result.total - result.correct} wrong of {result.total}"
    looks = len(history.openings)
    made = "\n".join(commands(facts, history.budget, (trial.number,))[:2])
    return f"""# {name}

A network that reads handwritten digits: trial {trial.number} of the study {facts.study}, trained
by mnist-hpo on all {whole_text(facts.images)} development images of {dataset}, {facts.epochs}
epochs.

| | |
|---|---|
| format | {form.name}: `{form.about}` |
| input | raw pixels, 0 (background) to 255 (ink), 28 x 28, one channel, 32-bit floats |
| output | probabilities of the digits 0 to 9 |
| parameters | {whole_text(trial.params)}; {whole_text(trial.macs)} multiply-adds an image |
| configuration | {words} |

## How good it is

| | |
|---|---|
| test accuracy | {result.accuracy:.4f}, {wrong}; 95 % interval {low:.4f} to {high:.4f} |
| test set opened | {"once" if looks == 1 else f"{looks} times"} |
| score | {"-" if score is None else score_text(score)} over {facts.folds} stratified folds |
| recall by digit | {", ".join(f"{d}: {own:.3f}" for d, own in enumerate(result.recall))} |

This export was compared with the model it was made from on {agreement.images} development images:
all digits are the same, probabilities differ by at most {agreement.largest_difference:.1e}
(allowed: {TOLERANCE:g}).

## What it is for, and what not

Single digits, in a box of 20 x 20 pixels whose mass is the middle of 28 x 28, bright on dark, as
in MNIST. On anything else it still names a digit, often with a high probability: it has no answer
for "no digit". Other handwriting than that of MNIST's writers was not measured.

## Where it comes from

```sh
{made}
```

Model file SHA-256 `{model.sha256}`, development data `{facts.data_sha256}`.
"""
