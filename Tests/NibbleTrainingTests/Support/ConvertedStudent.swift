import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleTraining

/// A student and the file, or folder, that conversion makes of the same checkpoint with the same plan.
struct ConvertedStudent {
    let checkpoint: ModelCheckpoint
    let student: Student
    private let type: QuantizationType
    private let path: String
    private let folder: TemporaryFolder

    init(_ source: String, _ recipe: Recipe) throws {
        folder = try TemporaryFolder()
        type = recipe.quantization.type
        path = folder.file(type.isGGUF ? "converted.gguf" : "converted")
        checkpoint = try ModelCheckpoint(path: Fixtures.path(source))
        let request = ConversionRequest(
            input: checkpoint.path, output: path, plan: try recipe.quantization.plan(), threads: 1)
        try Converter(request).run()
        student = try Student(
            checkpoint, recipe: recipe, compute: Compute(threads: 2, precision: .f32))
    }

    private func entry(_ name: String) throws -> TensorEntry {
        try #require(try GGUFFile(path: path).tensors.first { $0.name == name }, "\(name)")
    }

    /// Trained matrices: block by block, through the permutation of Llama's rows on the way to GGUF.
    func compareBlocks() throws {
        guard type.isGGUF else { return try compareFolder() }
        for matrix in student.matrices {
            let entry = try entry(matrix.name)
            let width = matrix.quantizer.rowBytes
            #expect(entry.type.codec?.name == matrix.quantizer.codec.name, "\(matrix.name)")
            try #require(entry.bytes.count == matrix.rows * width && matrix.blocks.count == entry.bytes.count)
            let wrong = (0..<matrix.rows).first { row in
                let from = source(row, matrix)
                return !entry.bytes[row * width..<(row + 1) * width].elementsEqual(
                    matrix.blocks[from * width..<(from + 1) * width])
            }
            #expect(wrong == nil, "\(checkpoint.path), \(matrix.name), row \(wrong ?? 0)")
        }
    }

    /// In a folder: all matrices value by value, decoded by other code than a codec's; rows as in the source, or moved to
    /// the hub's order.
    private func compareFolder() throws {
        let tensors = try HubTensors(folder: path)
        for matrix in student.matrices {
            let name = try #require(
                NamingScheme.hub.name(of: matrix.role, in: checkpoint.configuration.architecture))
            let expected = try #require(tensors.values(name), "\(name)")
            #expect(matrix.quantizer.codec.name == (matrix.role.isLinear ? type.format.description : "BF16"))
            var found = [Float](repeating: 0, count: matrix.rows * matrix.columns)
            var span = found.mutableSpan
            matrix.quantizer.codec.decode(
                RawSpan(_unsafeBytes: matrix.blocks), columns: matrix.columns, into: &span, level: .best)
            try #require(expected.count == found.count)
            let columns = matrix.columns
            let wrong = (0..<matrix.rows).first { row in
                let target = hubRow(row, matrix.role, rows: matrix.rows)
                return !found[row * columns..<(row + 1) * columns].elementsEqual(
                    expected[target * columns..<(target + 1) * columns])
            }
            #expect(wrong == nil, "\(checkpoint.path), \(matrix.name), row \(wrong ?? 0)")
        }
    }

    /// Norms and biases are the values of the file; of the models here none has biases that are permuted.
    func compareVectors() throws {
        for vector in student.vectors {
            let values = try entry(vector.name).floats()
            #expect(vector.values == values, "\(checkpoint.path), \(vector.name)")
        }
    }

    /// The student computes what the file computes.
    func compareLogits() throws {
        let source = type.isGGUF ? path : try decodedFolder()
        let model = try LanguageModel(ModelCheckpoint(path: source), compute: student.compute)
        let (found, expected) = (try logits(student.quantized), try logits(model))
        let largest = expected.reduce(0) { max($0, abs($1)) }
        let difference = zip(found, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(
            difference <= StudentTests.logitBound * largest, "\(checkpoint.path): \(difference / largest)")
        #expect(found.count == expected.count && largest > 0)
    }

    /// A folder of F32 with the values of the converted one, which Nibble does not read where it is compressed-tensors.
    private func decodedFolder() throws -> String {
        let tensors = try HubTensors(folder: path)
        let architecture = checkpoint.configuration.architecture
        var request = ConversionRequest(
            input: checkpoint.path, output: folder.file("decoded"), plan: QuantizationPlan(.f32), threads: 1)
        for tensor in checkpoint.tensors where tensor.role.isLinear {
            let name = try #require(NamingScheme.hub.name(of: tensor.role, in: architecture))
            let values = try #require(tensors.values(name), "\(name)")
            let (rows, columns) = (tensor.entry.rows, tensor.entry.columns)
            try #require(values.count == rows * columns)
            let memory = Memory(byteCount: 4 * values.count)
            for row in 0..<rows {
                let from = hubRow(row, tensor.role, rows: rows) * columns
                for column in 0..<columns { memory.floats[row * columns + column] = values[from + column] }
            }
            request.replacements[tensor.role] = .encoded(
                EncodedTensor(
                    rows: rows, columns: columns, type: .f32, bytes: UnsafeRawBufferPointer(memory.bytes),
                    owner: memory))
        }
        try Converter(request).run()
        return request.output
    }

    /// Those of the last of 40 tokens.
    func logits(_ model: LanguageModel) throws -> [Float] {
        let tokens = (0..<40).map { Int32(($0 * $0 * 7 + 3) % model.vocabularySize) }
        return try model.logits(of: tokens, position: tokens.count - 1)
    }

    /// The row of the hub that a row of the source is.
    private func hubRow(_ row: Int, _ role: TensorRole, rows: Int) -> Int {
        guard case .gguf = checkpoint.source,
            let heads = NamingScheme.gguf.convention(of: role, in: checkpoint.configuration).interleavedHeads
        else { return row }
        let size = rows / heads
        let (head, inner) = (row / size * size, row % size)
        return head + inner / 2 + inner % 2 * (size / 2)
    }

    private func source(_ row: Int, _ matrix: TrainedMatrix) -> Int {
        guard case .hub = checkpoint.source,
            let heads = NamingScheme.gguf.convention(of: matrix.role, in: checkpoint.configuration)
                .interleavedHeads
        else { return row }
        let size = matrix.rows / heads
        let (head, inner) = (row / size * size, row % size)
        return head + inner / 2 + inner % 2 * (size / 2)
    }
}
