internal import NibbleCheckpoint

/// A tensor of a safetensors file of `Tests/Fixtures`.
package struct FixtureTensor: Sendable, Equatable {
    /// Extents, slowest first.
    package var shape: [Int]
    /// Elements, the last extent fastest.
    package var values: [Float]

    /// All tensors of `Tests/Fixtures/<file>`, by name.
    package static func all(in file: String) -> [String: FixtureTensor] {
        do {
            var tensors: [String: FixtureTensor] = [:]
            for entry in try SafetensorsFile(path: Fixtures.path(file)).tensors {
                tensors[entry.name] = FixtureTensor(shape: entry.shape, values: try entry.floats())
            }
            return tensors
        } catch {
            preconditionFailure("\(error)")
        }
    }
}
