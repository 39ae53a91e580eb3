// swift-tools-version: 6.2

import PackageDescription

let package = Package(
    name: "nibble-benchmarks",
    platforms: [.macOS(.v26)],
    dependencies: [.package(name: "nibble", path: "..")],
    targets: [
        .executableTarget(
            name: "CodecBenchmark", dependencies: [.product(name: "Nibble", package: "nibble")],
            linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
        .target(name: "CPeak"),
        .target(name: "CPeer"),
        .executableTarget(
            name: "KernelBenchmark",
            dependencies: ["CPeak", "CPeer", .product(name: "Nibble", package: "nibble")],
            linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
    ],
    swiftLanguageModes: [.v6]
)
