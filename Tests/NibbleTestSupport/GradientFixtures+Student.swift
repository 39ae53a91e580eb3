internal import Foundation
internal import NibbleCheckpoint
internal import NibbleNumerics

extension GradientFixtures.Model {
    /// Whether the student has the weight called `name` perturbed: the seven linear weights of every block.
    package static func isPerturbed(_ name: String) -> Bool {
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
            .contains { name.hasSuffix(".\($0).weight") }
    }

    /// The student's linear weight, of rows of `columns` elements: `w * 1.1` where row + column is even, `w * 0.9`
    /// where it is odd, in `Float`.
    package static func perturbed(_ weights: [Float], columns: Int) -> [Float] {
        weights.indices.map { index in
            weights[index] * ((index / columns + index % columns).isMultiple(of: 2) ? 1.1 : 0.9)
        }
    }

    /// Writes the student as a hub folder: a copy of the teacher's, with the linear weights perturbed.
    package func writeStudent(to folder: TemporaryFolder) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: folderPath) {
            let path = folderPath + "/" + name
            guard name == "model.safetensors" else {
                try FileManager.default.copyItem(atPath: path, toPath: folder.file(name))
                continue
            }
            var bytes = try contents(path)
            for entry in try SafetensorsFile(path: path).tensors where Self.isPerturbed(entry.name) {
                precondition(entry.type == .f32, "\(path): '\(entry.name)' is \(entry.type), expected F32")
                let values = Self.perturbed(try entry.floats(), columns: entry.columns)
                let patch = values.flatMap { value in
                    withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
                }
                bytes.replaceSubrange(entry.range, with: patch)
            }
            try folder.write(bytes, to: name)
        }
    }
}
