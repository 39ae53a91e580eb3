import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import NibbleTraining
import Testing

/// A student and the file that conversion makes of the same checkpoint with the same plan.
struct ConvertedStudent {
    let checkpoint: ModelCheckpoint
    let student: Student
    let file: GGUFFile
    private let path: String
    private let folder: TemporaryFolder

    init(_ source: String, _ options: StudentOptions) throws {
        folder = try TemporaryFolder()
        path = folder.file("converted.gguf")
        checkpoint = try ModelCheckpoint(path: Fixtures.path(source))
        let request = ConversionRequest(
            input: checkpoint.path, output: path, plan: options.plan, threads: 1)
        try Converter(request).run()
        file = try GGUFFile(path: path)
        student = try Student(
            checkpoint, options: options, compute: Compute(threads: 2, precision: .f32))
    }

    private func entry(_ name: String) throws -> TensorEntry {
        try #require(file.tensors.first { $0.name == name }, "\(name)")
    }

    /// Trained matrices: block by block, through the permutation of Llama's rows on the way to GGUF.
    func compareBlocks() throws {
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

    /// Norms and biases are the values of the file; of the models here none has biases that are permuted.
    func compareVectors() throws {
        for vector in student.vectors {
            let values = try entry(vector.name).floats()
            #expect(vector.values == values, "\(checkpoint.path), \(vector.name)")
        }
    }

    /// The student computes what the file computes.
    func compareLogits() throws {
        let model = try LanguageModel(ModelCheckpoint(path: path), compute: student.compute)
        let (found, expected) = (try logits(student.quantized), try logits(model))
        let largest = expected.reduce(0) { max($0, abs($1)) }
        let difference = zip(found, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(
            difference <= StudentTests.logitBound * largest, "\(checkpoint.path): \(difference / largest)")
        #expect(found.count == expected.count && largest > 0)
    }

    /// Those of the last of 40 tokens.
    func logits(_ model: LanguageModel) throws -> [Float] {
        let tokens = (0..<40).map { Int32(($0 * $0 * 7 + 3) % model.vocabularySize) }
        return try model.logits(of: tokens, position: tokens.count - 1)
    }

    private func source(_ row: Int, _ matrix: TrainedMatrix) -> Int {
        guard case .hub = checkpoint.source,
            case .interleaveHeads(let heads) = checkpoint.configuration.transform(of: matrix.role)
        else { return row }
        let size = matrix.rows / heads
        let (head, inner) = (row / size * size, row % size)
        return head + inner / 2 + inner % 2 * (size / 2)
    }
}
