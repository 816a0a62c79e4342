"""Training on generated data: known data sets without files or a network, the same in both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from refactorer.verify import verify
from refactorer.verify.execute import Run
from refactorer.verify.synthetic import INJECT
from tests.verify.verify_harness import QUICK, defect, run_script

CLASSIFIER = """\
import torch
import torch.nn.functional as F
from torchvision import datasets, transforms

torch.manual_seed(1)
steps = transforms.Compose([transforms.RandomCrop(28, padding=2), transforms.ToTensor(),
                            transforms.Normalize((0.1307,), (0.3081,))])
train = datasets.MNIST("../data", train=True, download=True, transform=steps)
test = datasets.MNIST("../data", train=False, transform=transforms.ToTensor())
model = torch.nn.Linear(784, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(3):
    for x, y in torch.utils.data.DataLoader(train, batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x.flatten(1)), y)
        loss.backward()
        optimizer.step()
    right = sum(int((model(x.flatten()).argmax() == y).sum()) for x, y in test)
    print(epoch, f"{loss.item():.4f}", right, len(test))
"""

# Shapes, types and numbers of classes as torchvision documents them.
DATASETS = """\
import numpy, torch
before = torch.get_rng_state()
import torchvision
from torchvision import datasets, models, transforms, utils

mnist = datasets.MNIST("d", True, None)
assert (len(mnist), mnist.data.shape, mnist.data.dtype) == (40, (40, 28, 28), torch.uint8)
assert mnist.targets.dtype == torch.int64 and sorted(set(mnist.targets.tolist())) == list(range(10))
assert len(datasets.FashionMNIST("d", train=False)) == 20 and mnist.train and not datasets.KMNIST("d", False).train
letters = datasets.EMNIST("d", "letters", train=True)
assert sorted(set(letters.targets.tolist())) == list(range(1, 27))
cifar = datasets.CIFAR10(root="d", transform=transforms.ToTensor(), target_transform=float)
image, label = cifar[3]
assert image.shape == (3, 32, 32) and image.dtype == torch.float32 and 0 <= image.min() and image.max() <= 1
assert isinstance(label, float) and isinstance(cifar.data, numpy.ndarray) and cifar.data.shape == (40, 32, 32, 3)
assert isinstance(cifar.targets, list) and len(datasets.CIFAR100("d").classes) == 100
assert datasets.SVHN("d", "test").data.shape == (20, 3, 32, 32) and datasets.STL10("d").labels.shape == (40,)
faces = datasets.CelebA("d", "train", ["attr", "identity"], transforms.ToTensor())
assert faces[0][0].shape == (3, 218, 178) and faces[0][1][0].shape == (40,)
folder = datasets.ImageFolder("pictures", transforms.Compose([
    transforms.Resize(40), transforms.CenterCrop(32), transforms.ToTensor()]))
assert folder.classes == ["cat", "dog"] and folder.class_to_idx["dog"] == 1 and folder[0][0].shape == (3, 32, 32)
class Mine(datasets.CIFAR10):
    def __getitem__(self, index):
        return self.data[index].sum(), self.targets[index]
assert len(Mine("d")) == 40 and Mine("d")[0][1] == cifar.targets[0]
assert torch.equal(mnist.data, datasets.MNIST("other").data), "the same data in every process and at every call"
assert torch.equal(before, torch.get_rng_state()), "nothing is drawn from the script's generators"
net = models.resnet18(weights=None)
assert list(dict(net.named_children())) == [
    "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"]
assert len(net.state_dict()) == 122 and sum(p.numel() for p in net.parameters()) == 11_689_512
assert sum(p.numel() for p in models.vgg11_bn(num_classes=10).parameters()) == 128_812_810
assert net.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 1000)
grid = utils.make_grid(torch.rand(6, 1, 8, 8), nrow=3)
assert grid.shape == (3, 22, 32)
utils.save_image(torch.rand(4, 3, 8, 8), "grid.png", normalize=True)
import importlib.util
print("all is well", importlib.util.find_spec("torchvision") is not None)
"""


def synthetic_run(folder: Path, text: str, samples: int = 40) -> Run:
    return run_script(folder, text, synthetic=samples)


def test_the_data_sets_have_the_shapes_of_the_real_ones(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "project/pictures" / name).mkdir(parents=True)
    run = synthetic_run(tmp_path, DATASETS)
    assert run.stdout == b"all is well True\n", run.stderr_tail
    assert "MNIST: 40 samples for training, 1 x 28 x 28, 10 classes" in run.generated
    assert "CIFAR10: 40 samples for training, 3 x 32 x 32, 10 classes" in run.generated


# As the documentation of torchtext describes them.
TEXTS = """\
import random, torch
before = (torch.get_rng_state(), random.getstate())
from torchtext.data.functional import to_map_style_dataset
from torchtext.data.utils import get_tokenizer, ngrams_iterator
from torchtext.datasets import AG_NEWS, CoLA, IMDB, Multi30k, SST2, UDPOS, WikiText2
from torchtext.vocab import GloVe, build_vocab_from_iterator
from torchtext import transforms
from torchtext.legacy import data, datasets

train, test = AG_NEWS()
assert (len(train), len(test), sorted({label for label, _ in train})) == (40, 20, [1, 2, 3, 4])
assert next(iter(IMDB(split="train")))[0] in (1, 2) and isinstance(next(IMDB(split="test"))[1], str)
text, label = SST2(split="dev")[0]
assert isinstance(text, str) and label in (0, 1) and len(SST2(split="test")[0]) == 1
source, label, sentence = CoLA(split="train")[0]
assert isinstance(source, str) and label in (0, 1) and isinstance(sentence, str)
assert all(isinstance(line, str) for part in WikiText2() for line in part) and len(WikiText2()) == 3
for german, english in Multi30k(split="valid", language_pair=("de", "en")):
    assert len(german.split()) == len(english.split()) and german != english
words, tags, _ = UDPOS(split="train")[0]
assert len(words) == len(tags)
assert len(to_map_style_dataset(iter(train))) == 40 and torch.utils.data.DataLoader(train, 8)

tokenize = get_tokenizer("basic_english")
assert tokenize("You can't; (say) \\"no\\", yes.") == ["you", "can", "'", "t", "(", "say", ")", "no", ",", "yes", "."]
assert list(ngrams_iterator(["a", "b", "c"], 2)) == ["a", "b", "c", "a b", "b c"]
vocab = build_vocab_from_iterator([["b", "a", "b"], ["c", "a", "b"]], specials=["<unk>", "<pad>"])
assert vocab.get_itos() == ["<unk>", "<pad>", "b", "a", "c"] and vocab(["a", "b"]) == [3, 2] and len(vocab) == 5
try:
    vocab["zebra"]
except RuntimeError:
    vocab.set_default_index(vocab["<unk>"])
assert vocab["zebra"] == 0 and "zebra" not in vocab and vocab.lookup_tokens([2, 4]) == ["b", "c"]
assert len(build_vocab_from_iterator([["b", "a", "b"]], min_freq=2)) == 1
steps = transforms.Sequential(transforms.VocabTransform(vocab), transforms.AddToken(1), transforms.ToTensor(0))
assert steps([["a"], ["b", "c"]]).tolist() == [[1, 3, 0], [1, 2, 4]]
assert GloVe("6B", dim=50).get_vecs_by_tokens(["a", "b"]).shape == (2, 50)

field, label = data.Field(lower=True, include_lengths=True), data.LabelField(dtype=torch.float)
train, test = datasets.IMDB.splits(field, label)
train, held = train.split(random_state=random.getstate())
field.build_vocab(train, max_size=20, vectors="glove.6B.100d")
label.build_vocab(train)
assert (len(train), len(held), len(field.vocab), field.vocab.vectors.shape) == (28, 12, 22, (22, 100))
assert field.vocab.itos[:2] == ["<unk>", "<pad>"] and set(label.vocab.itos) == {"neg", "pos"}
batches, _ = data.BucketIterator.splits((train, held), batch_size=8, sort_within_batch=True)
assert len(batches) == 4
for batch in batches:
    texts, lengths = batch.text
    assert texts.shape == (lengths.max(), batch.batch_size) and lengths.tolist() == sorted(lengths, reverse=True)
    assert batch.label.dtype == torch.float and set(batch.label.tolist()) <= {0.0, 1.0}
source, target = data.Field(init_token="<sos>", eos_token="<eos>", batch_first=True), data.Field()
pairs, _, _ = datasets.Multi30k.splits(exts=(".de", ".en"), fields=(source, target))
source.build_vocab(pairs, min_freq=2)
assert source.process([pairs[0].src])[0, 0] == source.vocab.stoi["<sos>"]
assert torch.equal(before[0], torch.get_rng_state()) and before[1] == random.getstate(), "nothing is drawn"
print("all is well")
"""


def test_texts_have_the_forms_of_torchtext(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, TEXTS)
    assert run.stdout == b"all is well\n", run.stderr_tail
    assert "a small stand-in for torchtext (not installed)" in run.generated
    assert "AG_NEWS: 40 sentences for train" in run.generated


def test_a_script_is_verified_without_its_data(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(CLASSIFIER)
    (tmp_path / "same.py").write_text(CLASSIFIER)
    summed = ("F.cross_entropy(model(x.flatten(1)), y)", "F.cross_entropy(model(x.flatten(1)), y, reduction='sum')")
    (tmp_path / "other.py").write_text(defect(CLASSIFIER, summed))
    same = verify(tmp_path / "train.py", tmp_path / "same.py", env=QUICK, synthetic=32)
    assert same.outcome == "equivalent", same.message
    assert same.original is not None
    assert same.original.steps == 6
    assert same.original.losses[-1] < same.original.losses[0], "the labels can be learned"
    assert any(text.startswith("MNIST: 32 samples for training") for text in same.synthetic)
    other = verify(tmp_path / "train.py", tmp_path / "other.py", env=QUICK, synthetic=32, confirm=False)
    assert (other.outcome, other.first and other.first.step) == ("not equivalent", 1)


def test_data_sets_of_an_installed_library_are_replaced(tmp_path: Path) -> None:
    package = tmp_path / "site/torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from torchvision import datasets\nreal = True\n")
    (package / "datasets.py").write_text(
        "class MNIST:\n    classes = ['0 - zero']\n    def __init__(self, root, train=True, **kwargs):\n"
        "        raise RuntimeError('no network')\n\n\nclass Places(MNIST):\n    pass\n"
    )
    text = (
        "import torchvision\nfrom torchvision.datasets import MNIST, Places\n"
        "print(torchvision.real, len(MNIST('d')), MNIST.classes)\nPlaces('d')\n"
    )
    run = run_script(tmp_path, text, synthetic=12, env={"PYTHONPATH": f"{QUICK['PYTHONPATH']}:{tmp_path / 'site'}"})
    assert run.stdout == b"True 12 ['0 - zero']\n", run.stderr_tail
    assert not any("stand-in" in line for line in run.generated)


def test_the_scripts_own_modules_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/datasets.py").write_text("def load_dataset(name):\n    return 'mine'\n")
    run = synthetic_run(tmp_path, "import datasets\nprint(datasets.load_dataset('mnist'))\n")
    assert run.stdout == b"mine\n", run.stderr_tail
    assert run.generated == ()


def test_other_libraries_do_not_see_a_stand_in(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/library.py").write_text(
        "import importlib.util\nthere = importlib.util.find_spec('torchvision') is not None\n"
    )
    env = {"PYTHONPATH": f"{QUICK['PYTHONPATH']}:{tmp_path / 'site'}"}
    text = "import torchvision\nimport library\nprint(library.there)\n"
    assert run_script(tmp_path, text, synthetic=8, env=env).stdout == b"False\n"


def test_other_libraries_do_not_see_one_that_does_not_load(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "torchvision").mkdir(parents=True)
    (site / "torchvision/__init__.py").write_text("raise RuntimeError('operator does not exist')\n")
    (site / "torchvision-9.0.dist-info").mkdir()
    (site / "torchvision-9.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 9.0\n")
    (site / "library.py").write_text(
        "from importlib import metadata\ntry:\n    there = metadata.version('torchvision')\n"
        "except metadata.PackageNotFoundError:\n    there = None\n"
    )
    env = {"PYTHONPATH": f"{QUICK['PYTHONPATH']}:{site}"}
    text = "import library\nimport torchvision\nprint(library.there, torchvision.__version__)\n"
    run = run_script(tmp_path, text, synthetic=8, env=env)
    assert run.stdout == b"None 0.0.0+refactorer\n", run.stderr_tail
    assert "does not load: RuntimeError: operator does not exist" in run.generated[0]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("torchvision.transforms import AutoAugment", "no transform 'AutoAugment': install torchvision"),
        ("torchtext.datasets import SQuAD1", "no data set 'SQuAD1': install torchtext"),
    ],
)
def test_what_a_stand_in_lacks_is_named(wanted: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(f"import torch\nfrom {wanted}\n")
    verdict = verify(tmp_path / "train.py", tmp_path / "train.py", env=QUICK, synthetic=8)
    assert verdict.outcome == "error"
    assert said in verdict.message
    assert "Traceback" not in verdict.message


def test_hugging_face_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library itself is too large for a test: a small one with its names stands for it."""
    import types

    class Dataset(dict):  # type: ignore[type-arg]
        features = ()

        @classmethod
        def from_dict(cls, columns: dict[str, list[object]]) -> Dataset:
            return cls(columns)

        def __len__(self) -> int:
            return len(next(iter(self.values())))

        def cast_column(self, name: str, feature: object) -> Dataset:
            return Dataset(self)

        def select(self, rows: range) -> Dataset:
            return Dataset({name: [column[row] for row in rows] for name, column in self.items()})

    def fetch(*args: object, **kwargs: object) -> object:
        raise ConnectionError("no network")

    monkeypatch.syspath_prepend(str(INJECT))
    monkeypatch.setenv("REFACTORER_SYNTHETIC", "20")
    import refactorer_texts  # type: ignore[import-not-found]

    module = types.SimpleNamespace(
        load_dataset=fetch, Dataset=Dataset, DatasetDict=dict, ClassLabel=lambda num_classes: num_classes
    )
    refactorer_texts.replace_hugging_face(module)
    both = module.load_dataset("imdb")
    assert (len(both["train"]), len(both["test"]), set(both["train"]["label"])) == (20, 10, {0, 1})
    assert all(isinstance(text, str) and len(text.split()) > 30 for text in both["train"]["text"])
    assert len(module.load_dataset("stanfordnlp/imdb", split="train[:25%]")) == 5
    assert len(module.load_dataset("glue", "mrpc", split="validation")["sentence2"]) == 10
    assert module.load_dataset("imdb")["train"] == both["train"]
    with pytest.raises(ConnectionError):
        module.load_dataset("somebody/unknown")
