internal import COpenBLAS
public import NibbleNumerics

/// Which of its sets of kernels OpenBLAS runs: chosen by the processor's model when the library is loaded.
///
/// A version older than the processor does not know the model, and takes kernels that every processor can run: without
/// AVX, at a tenth of the speed. OpenBLAS reads another choice from the environment, once, so that a program has to
/// start itself again with it, as `nibble` does:
///
/// ```swift
/// if let core = OpenBLASCore.advised(level: .best, environment: environment) {
///     setenv(OpenBLASCore.environmentVariable, core, 1)
///     execv(path, arguments)
/// }
/// ```
public enum OpenBLASCore {
    /// The environment variable that names the kernels: `OPENBLAS_CORETYPE=Haswell`.
    public static let environmentVariable = "OPENBLAS_CORETYPE"

    /// The kernels of this process, by OpenBLAS's name: `SkylakeX`.
    public static var current: String { String(cString: openblas_get_corename()) }

    /// The kernels that should run instead of ``current``: nil where these use the processor's vectors, where
    /// `environment` names some already, and on other architectures than x86-64.
    ///
    /// - Parameter level: the best instruction level of the machine, whatever level Nibble's own kernels run at.
    public static func advised(level: KernelLevel, environment: [String: String]) -> String? {
        guard environment[environmentVariable] == nil else { return nil }
        return advised(instead: current, level: level)
    }

    /// The kernels that a machine of `level` should run instead of those called `core`.
    package static func advised(instead core: String, level: KernelLevel) -> String? {
        guard narrow.contains(core.lowercased()) else { return nil }
        return switch level {
        case .scalar: nil
        case .avx2: "Haswell"
        case .avx512: "SkylakeX"
        }
    }

    /// OpenBLAS's kernels without AVX2, of which it takes one for a processor that it does not know (dynamic.c,
    /// `get_coretype`, `gotoblas_corename`).
    private static let narrow: Set<String> = [
        "katmai", "coppermine", "northwood", "prescott", "banias", "atom", "core2", "penryn", "dunnington",
        "nehalem", "athlon", "opteron", "opteron_sse3", "barcelona", "nano", "bobcat", "sandybridge",
        "bulldozer", "piledriver", "steamroller",
    ]
}
