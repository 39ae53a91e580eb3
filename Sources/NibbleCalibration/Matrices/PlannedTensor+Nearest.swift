package import NibbleCheckpoint
package import NibbleNumerics
package import NibbleQuantization
package import NibbleTensor

extension PlannedTensor {
    /// Outputs.
    var rows: Int { shape[0] }

    /// What it can hold, where its codes and scales can be calibrated: it is of a type with such, and Hessians of its inputs
    /// come in panels of 32 columns. Nil else.
    var grid: WeightGrid? {
        columns.isMultiple(of: FloatPanels.width) ? WeightGrid(format, columns: columns) : nil
    }

    /// Where the weights stand.
    var place: (path: String, tensor: String) {
        guard case .stored(let entry) = source else { preconditionFailure("'\(name)' is not stored") }
        return (entry.file.path, entry.name)
    }

    /// How ``roundedToNearest(_:advice:compute:)`` holds its values.
    package func roundedFormat(_ compute: Compute) -> WeightFormat {
        role.isVocabulary ? .ggml(compute.hasBF16 ? .bf16 : .f32) : format
    }

    /// A matrix with each weight rounded to the nearest code. The vocabulary's is held decoded, in the form in which
    /// products take it: it is used for every token in both directions.
    ///
    /// - Parameter advice: what to do about a weight that the format cannot hold.
    package func roundedToNearest(
        _ weights: some WeightSource, advice: String, compute: Compute
    ) throws(CheckpointError) -> Matrix {
        let (rows, columns) = (rows, columns)
        let quantizer = FakeQuantizer(self.format, columns: columns)
        let isDecoded = role.isVocabulary
        let format = roundedFormat(compute)
        guard let codec = format.codec, let width = format.byteCount(columns: columns) else {
            preconditionFailure("\(format) does not encode rows of \(columns)")
        }
        let memory = Memory(byteCount: rows * width)
        let level = compute.level
        try compute.forEachRows(of: rows) { range throws(CheckpointError) in
            let values = Memory(byteCount: 4 * range.count * columns)
            let own = values.floats(0..<range.count, of: columns)
            try weights.load(range, of: self, into: own)
            var result = memory.slice(range.lowerBound * width..<range.upperBound * width).mutableBytes
            do throws(CodecError) {
                guard isDecoded else {
                    return try quantizer.encode(own.span, into: &result, level: level)
                }
                var blocks = [UInt8](repeating: 0, count: range.count * quantizer.rowBytes)
                var span = blocks.mutableSpan
                var raw = span.mutableBytes
                try quantizer.encode(own.span, into: &raw, level: level)
                var decoded = own.mutableSpan
                quantizer.codec.decode(blocks.span.bytes, columns: columns, into: &decoded, level: level)
                try codec.encode(own.span, columns: columns, importance: nil, into: &result, level: level)
            } catch {
                let place = place
                throw WeightFault(
                    error, values: UnsafeBufferPointer(own), columns: columns, firstRow: range.lowerBound,
                    codec: quantizer.codec, advice: advice
                ).error(path: place.path, tensor: place.tensor)
            }
        }
        let matrix = Matrix(
            rows: rows, columns: columns, format: format, bytes: UnsafeRawBufferPointer(memory.bytes),
            owner: memory)
        guard let matrix else { preconditionFailure("\(format) cannot be decoded") }
        return matrix
    }

    /// A matrix of encoded rows, as they lie in a file.
    func encoded(_ bytes: UnsafeRawBufferPointer, of file: MappedFile) -> Matrix {
        let matrix = Matrix(rows: rows, columns: columns, format: format, bytes: bytes, owner: file)
        guard let matrix else { preconditionFailure("\(format) cannot be decoded") }
        return matrix
    }
}
