internal import NibbleCheckpoint
internal import NibbleNumerics

// Matrices in formats that GGUF lacks.
extension ConversionWorker {
    /// Throws where a scale of some rows of the source, in a format that GGUF lacks, is NaN or infinite.
    func checkRows(
        _ job: TensorJob, _ tensor: EncodedTensor, _ run: Range<Int>
    ) throws(CheckpointError) {
        let matrix = PackedMatrix(format: tensor.format, rows: tensor.rows, columns: tensor.columns)
        for start in stride(from: run.lowerBound, to: run.upperBound, by: tensor.columns) {
            let row = tensor.bytes(of: start..<start + tensor.columns)
            guard let element = matrix.firstInvalidElement(row) else { continue }
            throw invalid(job, element: start + element, "begins a block whose scale is NaN or infinite")
        }
    }

    /// Puts what a part of a matrix holds of whole rows into ``encoded``.
    func pack(
        _ job: TensorJob, _ packing: TensorJob.Packing, _ elements: Range<Int>
    ) throws(CheckpointError) {
        let (matrix, width) = (packing.matrix, job.type.byteCount(elements: job.columns) ?? 0)
        guard packing.part != .shape else {
            return matrix.write(
                .shape, of: UnsafeRawBufferPointer(start: nil, count: 0),
                to: UnsafeMutableRawBufferPointer(rebasing: encoded[..<width]))
        }
        var whole = job
        whole.name = String(job.name.dropLast(matrix.suffix(packing.part).count))
        whole.shape = [matrix.rows, matrix.columns]
        reserve(floats: matrix.columns)
        guard let size = matrix.format.byteCount(columns: matrix.columns) else { return }
        let row = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
        defer { row.deallocate() }
        for (place, index) in (elements.lowerBound / job.columns..<elements.upperBound / job.columns)
            .enumerated()
        {
            let start = index * matrix.columns
            let target = UnsafeMutableRawBufferPointer(rebasing: encoded[place * width..<(place + 1) * width])
            if case .encoded(let tensor) = job.source {
                for run in whole.runs(start..<start + matrix.columns) {
                    try checkRows(whole, tensor, run)
                    matrix.write(packing.part, of: tensor.bytes(of: run), to: target)
                }
                continue
            }
            try load(whole, start..<start + matrix.columns)
            try encodeRow(whole, matrix, row: index, into: row)
            matrix.write(packing.part, of: UnsafeRawBufferPointer(row), to: target)
        }
    }

    /// Encodes the row of a matrix that ``floats`` holds.
    private func encodeRow(
        _ job: TensorJob, _ matrix: PackedMatrix, row: Int, into target: UnsafeMutableRawBufferPointer
    ) throws(CheckpointError) {
        guard let codec = matrix.format.codec else { return }
        var bytes = target.mutableBytes
        let values = UnsafeMutableBufferPointer(rebasing: floats[..<matrix.columns]).span
        do {
            try codec.encode(
                values, columns: matrix.columns, importance: nil, into: &bytes, level: .best)
        } catch {
            throw invalid(job, row * matrix.columns..<(row + 1) * matrix.columns, error, codec)
        }
    }
}
