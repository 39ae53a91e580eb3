internal import Foundation

/// The Python of `scripts/setup.sh --python`, with the packages of `scripts/requirements.txt`; tests that need it name
/// `NIBBLE_PYTHON`.
package enum ReferencePython {
    /// The interpreter, where the environment names one.
    package static let path = ProcessInfo.processInfo.environment["NIBBLE_PYTHON"]

    /// Why tests that need `packages` do not run.
    package static func hint(_ packages: String) -> String {
        "NIBBLE_PYTHON names no Python with \(packages); scripts/test.sh does"
    }
}
