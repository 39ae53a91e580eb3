// swift-tools-version: 6.2

import PackageDescription

let package = Package(
    name: "nibble",
    platforms: [.macOS(.v26)],
    products: [
        .library(name: "Nibble", targets: ["Nibble"]),
        .library(name: "NibbleHub", targets: ["NibbleHub"]),
        .executable(name: "nibble", targets: ["NibbleCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // Floor 0: hot loops in C, one copy per instruction level.
        .target(name: "CKernels"),
        // The system's C library under one name.
        .target(name: "CLibrary"),
        .systemLibrary(
            name: "COpenBLAS", pkgConfig: "openblas",
            providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),

        // Floor 1: how numbers are stored.
        .target(name: "NibbleNumerics", dependencies: ["CKernels"]),

        // Floor 2: files that hold models; activations and what is computed with them (the only importer of
        // OpenBLAS).
        .target(name: "NibbleCheckpoint", dependencies: ["CKernels", "CLibrary", "NibbleNumerics"]),
        .target(
            name: "NibbleTensor", dependencies: ["CKernels", "CLibrary", "COpenBLAS", "NibbleNumerics"]),

        // Floor 3: text to tokens and back.
        .target(name: "NibbleTokenizer", dependencies: ["NibbleCheckpoint"]),

        // Floor 4: forward passes and generation; which tensor becomes what, and the stream that does it.
        .target(
            name: "NibbleModel",
            dependencies: [
                "CLibrary", "NibbleCheckpoint", "NibbleNumerics", "NibbleTensor", "NibbleTokenizer",
            ]),
        .target(
            name: "NibbleQuantization",
            dependencies: ["CLibrary", "NibbleCheckpoint", "NibbleNumerics", "NibbleTokenizer"]),

        // Floor 5: what quantization cost.
        .target(
            name: "NibbleEvaluation",
            dependencies: [
                "CLibrary", "NibbleCheckpoint", "NibbleModel", "NibbleNumerics", "NibbleTensor",
                "NibbleQuantization", "NibbleTokenizer",
            ],
            resources: [.embedInCode("InferenceMemory/Devices/devices.tsv")]),

        // Floor 6: codes and scales chosen from data without training.
        .target(
            name: "NibbleCalibration",
            dependencies: [
                "CLibrary", "NibbleNumerics", "NibbleCheckpoint", "NibbleTensor", "NibbleTokenizer",
                "NibbleModel", "NibbleQuantization", "NibbleEvaluation",
            ]),

        // Floor 7: training toward the unquantized model.
        .target(
            name: "NibbleTraining",
            dependencies: [
                "CLibrary", "NibbleNumerics", "NibbleCheckpoint", "NibbleTensor", "NibbleTokenizer",
                "NibbleModel", "NibbleQuantization", "NibbleCalibration", "NibbleEvaluation",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "Yams", package: "Yams"),
            ],
            exclude: ["RunFolder/Proto/event.proto"]),

        // Floor 6: files from a hub (the only importer of FoundationNetworking).
        .target(name: "NibbleHub", dependencies: ["CLibrary", "NibbleCheckpoint"]),

        // Floor 8: the doors.
        .target(
            name: "Nibble",
            dependencies: [
                "NibbleNumerics", "NibbleCheckpoint", "NibbleTokenizer", "NibbleTensor", "NibbleModel",
                "NibbleQuantization", "NibbleCalibration", "NibbleEvaluation", "NibbleTraining",
            ]
        ),
        .executableTarget(
            name: "NibbleCLI",
            dependencies: [
                "Nibble", "NibbleHub",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]
        ),

        .target(
            name: "NibbleTestSupport",
            dependencies: ["NibbleCheckpoint", "NibbleNumerics", "NibbleQuantization", "NibbleTensor"],
            path: "Tests/NibbleTestSupport"),
        .testTarget(name: "NibbleNumericsTests", dependencies: ["NibbleNumerics", "NibbleTestSupport"]),
        .testTarget(
            name: "NibbleTensorTests",
            dependencies: ["CKernels", "NibbleNumerics", "NibbleTensor", "NibbleTestSupport"]),
        .testTarget(name: "NibbleCheckpointTests", dependencies: ["NibbleCheckpoint", "NibbleTestSupport"]),
        .testTarget(name: "NibbleTokenizerTests", dependencies: ["NibbleTokenizer", "NibbleTestSupport"]),
        .testTarget(
            name: "NibbleModelTests",
            dependencies: [
                "NibbleModel", "NibbleQuantization", "NibbleTensor", "NibbleTokenizer", "NibbleTestSupport",
            ]),
        .testTarget(
            name: "NibbleQuantizationTests",
            dependencies: ["NibbleQuantization", "NibbleTestSupport", "NibbleTokenizer"]),
        .testTarget(
            name: "NibbleCalibrationTests",
            dependencies: [
                "NibbleCalibration", "NibbleCheckpoint", "NibbleModel", "NibbleNumerics",
                "NibbleQuantization",
                "NibbleTensor", "NibbleTraining", "NibbleTestSupport",
            ]),
        .testTarget(
            name: "NibbleTrainingTests",
            dependencies: [
                "NibbleCalibration", "NibbleCheckpoint", "NibbleEvaluation", "NibbleModel", "NibbleNumerics",
                "NibbleQuantization", "NibbleTensor", "NibbleTokenizer", "NibbleTraining",
                "NibbleTestSupport",
            ]),
        .testTarget(
            name: "NibbleEvaluationTests",
            dependencies: [
                "NibbleEvaluation", "NibbleModel", "NibbleNumerics", "NibbleQuantization", "NibbleTensor",
                "NibbleTestSupport",
            ]),
        .testTarget(
            name: "NibbleHubTests",
            dependencies: ["CLibrary", "NibbleCheckpoint", "NibbleHub", "NibbleTestSupport"]),
        .testTarget(
            name: "NibbleCLITests", dependencies: ["NibbleCLI", "NibbleNumerics", "NibbleTestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)

// https://www.swift.org/swift-evolution/: SE-0335, SE-0409, SE-0444
for target in package.targets where target.name != "CKernels" && target.type != .system {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ]
    // Swift imports C math functions that live in libm.
    target.linkerSettings = [.linkedLibrary("m", .when(platforms: [.linux]))]
}
