//! The known data sets: file names, pinned digests and where they are published.

use super::Split;

/// How the files of a set are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Embedded,
    Idx,
    Usps,
    Cifar,
    /// Labelled by superclass.
    Cifar100,
    Coil,
    Stl,
    Svhn,
}

/// One file of a known set. Any of `names` is accepted, plain or with the ending .gz, .bz2 or .xz.
pub(crate) struct KnownFile {
    pub role: &'static str,
    /// The split it belongs to; `All` for sets with a single one.
    pub split: Split,
    pub names: &'static [&'static str],
    /// SHA-256 of the decompressed content (of the tree, for COIL-20), where known.
    pub digest: Option<&'static str>,
    pub items: usize,
    /// What is added to a set's `homes` for a download, and the name it is saved under; empty: not by itself.
    pub remote: &'static str,
}

pub(crate) struct Archive {
    /// As it is published; without the ending `.gz`, it has been unpacked.
    pub name: &'static str,
    /// SHA-256 as it is published (compressed), for verifying a download. The digests of the files inside have not been
    /// seen by us, so they are not pinned.
    pub digest: &'static str,
}

/// A known set; `folders` are searched below the data folder, in this order.
pub(crate) struct KnownSet {
    pub name: &'static str,
    pub form: Form,
    pub folders: &'static [&'static str],
    pub files: &'static [KnownFile],
    /// The archive that the files are published in, if they are read out of it.
    pub archive: Option<Archive>,
    /// Addresses below which the files are published; the first that works is used.
    pub homes: &'static [&'static str],
    pub class_names: &'static [&'static str],
}

impl KnownSet {
    /// The files a split needs, in the order train, test.
    pub fn of_split(&self, split: Split) -> impl Iterator<Item = &'static KnownFile> {
        self.files
            .iter()
            .filter(move |f| split == Split::All || f.split == split)
    }

    pub fn has(&self, split: Split) -> bool {
        split == Split::All || self.files.iter().any(|f| f.split == split)
    }
}

/// A file with a pin, which can be fetched.
const fn pinned(
    role: &'static str,
    split: Split,
    names: &'static [&'static str],
    digest: &'static str,
    items: usize,
    remote: &'static str,
) -> KnownFile {
    KnownFile {
        role,
        split,
        names,
        digest: Some(digest),
        items,
        remote,
    }
}

const TRAIN_IMAGES: &[&str] = &["train-images-idx3-ubyte", "train-images.idx3-ubyte"];
const TRAIN_LABELS: &[&str] = &["train-labels-idx1-ubyte", "train-labels.idx1-ubyte"];
const TEST_IMAGES: &[&str] = &["t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"];
const TEST_LABELS: &[&str] = &["t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"];

/// A file without a pin, which cannot be fetched by itself.
const fn unpinned(role: &'static str, split: Split, names: &'static [&'static str], items: usize) -> KnownFile {
    KnownFile {
        role,
        split,
        names,
        digest: None,
        items,
        remote: "",
    }
}

pub(crate) static SETS: &[KnownSet] = &[
    KnownSet {
        name: "digits",
        form: Form::Embedded,
        folders: &[],
        files: &[KnownFile {
            role: "digits",
            split: Split::All,
            names: &[],
            digest: Some(super::digits::DIGEST),
            items: 1797,
            remote: "",
        }],
        archive: None,
        homes: &["https://doi.org/10.24432/C50P49"],
        class_names: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    },
    KnownSet {
        name: "mnist",
        form: Form::Idx,
        folders: &["mnist", "MNIST/raw", "MNIST", "mnist/raw"],
        files: &[
            pinned(
                "train_images",
                Split::Train,
                TRAIN_IMAGES,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                60_000,
                "train-images-idx3-ubyte.gz",
            ),
            pinned(
                "train_labels",
                Split::Train,
                TRAIN_LABELS,
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                60_000,
                "train-labels-idx1-ubyte.gz",
            ),
            pinned(
                "test_images",
                Split::Test,
                TEST_IMAGES,
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                10_000,
                "t10k-images-idx3-ubyte.gz",
            ),
            pinned(
                "test_labels",
                Split::Test,
                TEST_LABELS,
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                10_000,
                "t10k-labels-idx1-ubyte.gz",
            ),
        ],
        archive: None,
        homes: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
        class_names: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    },
    KnownSet {
        name: "fashion-mnist",
        form: Form::Idx,
        folders: &[
            "fashion-mnist",
            "FashionMNIST/raw",
            "FashionMNIST",
            "fashion_mnist",
            "fashion",
        ],
        files: &[
            pinned(
                "train_images",
                Split::Train,
                TRAIN_IMAGES,
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                60_000,
                "train-images-idx3-ubyte.gz",
            ),
            pinned(
                "train_labels",
                Split::Train,
                TRAIN_LABELS,
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                60_000,
                "train-labels-idx1-ubyte.gz",
            ),
            pinned(
                "test_images",
                Split::Test,
                TEST_IMAGES,
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                10_000,
                "t10k-images-idx3-ubyte.gz",
            ),
            pinned(
                "test_labels",
                Split::Test,
                TEST_LABELS,
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                10_000,
                "t10k-labels-idx1-ubyte.gz",
            ),
        ],
        // The first has no TLS; the pins make up for that.
        archive: None,
        homes: &[
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ],
        class_names: &[
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ],
    },
    KnownSet {
        name: "usps",
        form: Form::Usps,
        folders: &["usps", "USPS", "usps-raw"],
        files: &[
            KnownFile {
                role: "train",
                split: Split::Train,
                names: &["usps"],
                digest: Some("18a5b410d6526f5f38f904bbb3a7ff196bc158152fcc3909edb438555c778fa7"),
                items: 7291,
                remote: "",
            },
            KnownFile {
                role: "test",
                split: Split::Test,
                names: &["usps.t"],
                digest: Some("831f9dadfa66e69724057a4dc58c1ff868c5a54c5006fa7efe316e9fc89f503f"),
                items: 2007,
                remote: "",
            },
        ],
        archive: None,
        homes: &[],
        class_names: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    },
    KnownSet {
        name: "usps-smoothed",
        form: Form::Usps,
        folders: &["usps-smoothed", "usps_smoothed", "usps", "USPS"],
        files: &[
            KnownFile {
                role: "train",
                split: Split::Train,
                names: &["usps"],
                digest: None,
                items: 7291,
                remote: "usps.bz2",
            },
            KnownFile {
                role: "test",
                split: Split::Test,
                names: &["usps.t"],
                digest: None,
                items: 2007,
                remote: "usps.t.bz2",
            },
        ],
        archive: None,
        homes: &["https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"],
        class_names: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    },
    KnownSet {
        name: "cifar10",
        form: Form::Cifar,
        folders: &[
            "cifar10",
            "cifar10/cifar-10-batches-bin",
            "cifar-10-batches-bin",
            "CIFAR10",
        ],
        files: &[
            unpinned("data_batch_1", Split::Train, &["data_batch_1.bin"], 10_000),
            unpinned("data_batch_2", Split::Train, &["data_batch_2.bin"], 10_000),
            unpinned("data_batch_3", Split::Train, &["data_batch_3.bin"], 10_000),
            unpinned("data_batch_4", Split::Train, &["data_batch_4.bin"], 10_000),
            unpinned("data_batch_5", Split::Train, &["data_batch_5.bin"], 10_000),
            unpinned("test_batch", Split::Test, &["test_batch.bin"], 10_000),
        ],
        archive: Some(Archive {
            name: "cifar-10-binary.tar.gz",
            digest: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        }),
        homes: &["https://www.cs.toronto.edu/~kriz/"],
        class_names: &super::cifar::CLASSES,
    },
    KnownSet {
        name: "coil20",
        form: Form::Coil,
        folders: &["coil20", "coil-20", "COIL20"],
        files: &[KnownFile {
            role: "images",
            split: Split::All,
            names: &[
                "coil-20-proc.zip",
                "coil20.zip",
                "coil-20-proc.tar.gz",
                "coil-20-proc.tar",
                "coil-20-proc",
            ],
            digest: Some("def68ee237ea860443fa18d9514032f74921587f273683540e2dbb5ad8f6e60c"),
            items: 1440,
            remote: "coil-20-proc.zip",
        }],
        archive: None,
        homes: &[
            "https://www.cs.columbia.edu/CAVE/databases/SLAM_coil-20_coil-100/coil-20/",
            "https://cave.cs.columbia.edu/old/databases/SLAM_coil-20_coil-100/coil-20/",
        ],
        class_names: &[],
    },
    KnownSet {
        name: "cifar100-20",
        form: Form::Cifar100,
        folders: &["cifar100", "cifar100/cifar-100-binary", "cifar-100-binary", "CIFAR100"],
        files: &[
            unpinned("train", Split::Train, &["train.bin"], 50_000),
            unpinned("test", Split::Test, &["test.bin"], 10_000),
        ],
        archive: Some(Archive {
            name: "cifar-100-binary.tar.gz",
            digest: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        }),
        homes: &["https://www.cs.toronto.edu/~kriz/"],
        class_names: &super::cifar::SUPERCLASSES,
    },
    KnownSet {
        name: "stl10",
        form: Form::Stl,
        folders: &["stl10", "stl10/stl10_binary", "stl10_binary", "STL10"],
        // The labelled images. They are published in an archive of 2.6 GB, most of it unlabelled images: unpack it.
        files: &[
            unpinned("train_images", Split::Train, &["train_X.bin"], 5000),
            unpinned("train_labels", Split::Train, &["train_y.bin"], 5000),
            unpinned("test_images", Split::Test, &["test_X.bin"], 8000),
            unpinned("test_labels", Split::Test, &["test_y.bin"], 8000),
        ],
        archive: None,
        homes: &["http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"],
        class_names: &super::stl::CLASSES,
    },
    KnownSet {
        name: "svhn",
        form: Form::Svhn,
        folders: &["svhn", "SVHN"],
        // The cropped digits; the pins are those of TensorFlow Datasets.
        files: &[
            pinned(
                "train",
                Split::Train,
                &["train_32x32.mat"],
                "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
                73_257,
                "train_32x32.mat",
            ),
            pinned(
                "test",
                Split::Test,
                &["test_32x32.mat"],
                "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
                26_032,
                "test_32x32.mat",
            ),
        ],
        archive: None,
        homes: &["http://ufldl.stanford.edu/housenumbers/"],
        class_names: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    },
];
