internal import CKernels

/// Which copy of the kernels runs: they are compiled once per instruction level and give the same bits at
/// all of them.
///
/// ```swift
/// print(KernelLevel.available)  // [scalar, avx2, avx512] on a machine that has all three
/// ```
public enum KernelLevel: String, CaseIterable, Sendable {
    /// The baseline of the architecture: SSE2 or NEON.
    case scalar
    /// AVX2 and F16C.
    case avx2
    /// AVX-512 F, BW, VL and DQ.
    case avx512

    /// The environment variable by which a program may let its user lower the level: `NIBBLE_KERNELS=scalar`. The library
    /// itself does not read it.
    public static let environmentVariable = "NIBBLE_KERNELS"

    /// The highest level that this machine supports.
    public static let best = KernelLevel(number: nibble_best_level())

    /// The levels that this machine supports, lowest first.
    public static let available = allCases.filter { $0 <= best }

    /// The level that `environment` asks for, ``best`` where it does not.
    ///
    /// - Throws: ``KernelLevelError`` where `NIBBLE_KERNELS` is set to anything else than an available level,
    ///   the empty string included.
    public static func selected(environment: [String: String]) throws(KernelLevelError) -> KernelLevel {
        guard let value = environment[environmentVariable] else { return best }
        guard let level = KernelLevel(rawValue: value) else { throw .unknown(value) }
        guard level <= best else { throw .unsupported(level, best: best) }
        return level
    }

    /// The number of the level in C.
    package var number: Int32 {
        switch self {
        case .scalar: Int32(NIBBLE_LEVEL_SCALAR)
        case .avx2: Int32(NIBBLE_LEVEL_AVX2)
        case .avx512: Int32(NIBBLE_LEVEL_AVX512)
        }
    }

    private init(number: Int32) {
        self = KernelLevel.allCases.last { $0.number <= number } ?? .scalar
    }
}

extension KernelLevel: Comparable, CustomStringConvertible {
    /// Whether `left` demands less of the machine.
    public static func < (left: KernelLevel, right: KernelLevel) -> Bool { left.number < right.number }

    /// The name as `NIBBLE_KERNELS` spells it.
    public var description: String { rawValue }
}

/// Why the environment does not select an instruction level.
public enum KernelLevelError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The value names no level.
    case unknown(String)
    /// The machine does not support the level.
    case unsupported(KernelLevel, best: KernelLevel)

    /// What happened and what to do.
    public var description: String {
        let variable = KernelLevel.environmentVariable
        let choices = KernelLevel.available.map(\.rawValue).joined(separator: ", ")
        return switch self {
        case .unknown(let value):
            "\(variable) is '\(value)', which is not an instruction level; unset it or use one of: \(choices)"
        case .unsupported(let level, let best):
            "\(variable) is '\(level)', but this machine supports only up to '\(best)'; "
                + "unset it or use one of: \(choices)"
        }
    }
}
