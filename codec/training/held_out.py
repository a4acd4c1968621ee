"""Photographs that are never trained on, so that a choice between trainings has something to be judged by.

Twenty-four of the training photographs, by the SHA-256 of their files: people, skin, fur, foliage, water, skies, night,
a town, text. `data.Pictures` leaves them out, `benchmarks.training.eye` measures on them. The models shipped before
2026-11-28, and what was trained on from them, saw them: among models of one origin they are as good as unseen ones.
"""

HELD_OUT = {
    "04e08b43abfff7f122720d0446c28172678efe8e0cef2790c9009d8f72d34774",  # alicevision-datasetbud-0000.webp
    "e4b07b795e1e2830e6e4569be4cad311c050c972342722fe54bd15bb8070d7ff",  # anon8597299-smarttechi-0000.webp
    "b7c88f840f11924f772e203c3596a64b094f0f819860240edf3a4c7d74f1c169",  # anon8597299-smarttechi-0002.webp
    "d00958ec7b57823edce66840ad66c66ae2368566efa60c07db0c984e40e8bc9a",  # azzamsa-ubuntuwall-0121.webp
    "397bbfb8d8a24eba99a2c49e20ad761735150e382f1254bdde9289313207ca25",  # calyxos-wallpapers-0005.webp
    "cb4ff093d9473adfd188e083f6b625e71493acf0e75f052859fe611690519300",  # calyxos-wallpapers-0006.webp
    "413cff4a349cca480b9c954bb9fc4b6e7cac422f236c99a612721e521f46dac3",  # epfllara-bolts-0002.webp
    "a82e8b11ab82f3978445c8e2d6e71170a7bd61aecac19ea23b56f429abe36783",  # fedoradesig-background-0009.webp
    "7f8f107e22996f5b4616a94cedbc4670bd35a8cfd30fe8ecd347e13ed0887491",  # foaly-spells-0000.webp
    "7e86806f8a519ae8fc9ac142ab0dddf519ffbb7a17ed1f1d1a8d2e3cb0541731",  # geeksforsocial-placecal-0008.webp
    "cee514280b9e1e6e26a7735ea27021d4290f6cc91fbfa613654a989e0ee6f1c0",  # getsolus-artwork-0004.webp
    "43a193400c1c95636ce6eea0766d618767eb7ff04c341edb41839ca0a9a18c59",  # google-cameratrap-0002.jpg
    "0a124d95ab74bcd704b26b2220bcc63cc87e8e9d6df1c085cee20dc183d8a4f1",  # google-dreambooth-0038.webp
    "2ea4d50950db5b4c7368bbfebd7199daa46f776b5a4c94b66ef1685230f69523",  # jellywish-confidenti-0000.webp
    "635c35a1b284ff7dfccf1634586ded1511ed6e3f641bdc95c3fde58595d02bf7",  # jeremycode-libexifwas-0001.webp
    "f3add7131ff1a088fb9647f09f123ae6b96572314b96ec9da8877625507882f7",  # languageseed-worksuite-0000.webp
    "db71ebb13fd38369193875ce49c10dc966210bddc76b81a89c544d15f1bb7aee",  # niremizov-amazonreko-0000.jpg
    "db48ad2cb30910bb58bc420ed7248e4a6f346f9b1fa829fdd71eeab80de0516b",  # opensuse-wallpapers-0005.webp
    "8db4e69f0295ce6cdf7fc440343b953609947004816ae9207697dc88b1a3c697",  # pganssletalks-pyconfhyde-0001.webp
    "c556b29260bf937bc7ae15eeb64dc31876694a3f00fa57215af249a80ed6a3ce",  # pganssletalks-pyconfhyde-0005.webp
    "919ad788c1754ca76e93efc63f99d6c086560be989e8d4abf416c0564d6b48d9",  # qubesos-qubesartwo-0001.jpg
    "b028b3e3e37366d4e3a7642d123dffdfc640bd8d4f417dd3e2f4c2c96aba63f4",  # qubesos-qubesartwo-0007.webp
    "0ae4d1203acc31ab951ee1e633d0be264c8fe6d0a0eba5adcabf961b46e5dc81",  # softmatic-visiondata-0003.webp
    "a679b03962224ca144dc8c226bbec7de78165c0833a030c3fc649b88809e63e6",  # ubuntucinnamon-ubuntucinn-0041.webp
}
