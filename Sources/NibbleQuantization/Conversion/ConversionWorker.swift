internal import NibbleCheckpoint
internal import NibbleNumerics

/// Performs pieces of work on one thread, in buffers that are made once.
final class ConversionWorker {
    private let converter: Converter
    private let writer: CheckpointWriter
    private var floats = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
    /// Rows in the format of the output.
    private var encoded = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// What a part holds of them.
    private var shared = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var check: ReencodingCheck
    /// Elements of the source that were copied last, whose bytes are in use until the next call.
    private var copied: [StoredElements] = []

    /// Elements that are decoded, transformed and encoded at a time, so that they stay in the first caches.
    private static let batch = 8192

    private var level: KernelLevel { converter.request.level }

    init(_ converter: Converter, _ writer: CheckpointWriter) {
        self.converter = converter
        self.writer = writer
        check = ReencodingCheck(converter.request)
    }

    /// What became of the blocks of matrices on a lattice.
    private(set) var latticeCounts = LatticeCounts()

    /// What becomes of trained blocks in a hub folder, by the index of the job.
    var reencodingCounts: [Int: ReencodingCounts] { check.counts }

    deinit {
        floats.deallocate()
        encoded.deallocate()
        shared.deallocate()
    }

    private func reserve(floats count: Int) {
        guard floats.count < count else { return }
        floats.deallocate()
        floats = .allocate(capacity: count)
        floats.initialize(repeating: 0)
    }

    private static func reserve(_ buffer: inout UnsafeMutableRawBufferPointer, _ count: Int) {
        guard buffer.count < count else { return }
        buffer.deallocate()
        buffer = .allocate(byteCount: count, alignment: 64)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
    }

    func perform(_ piece: PieceOfWork) throws(CheckpointError) {
        let (job, elements) = (converter.jobs[piece.job], piece.elements)
        let stored = job.storedBytes(elements)
        if let stored { stored.file.prefetch(stored.range) }
        let bytes = try encodedRows(job, index: piece.job, elements)
        for (index, part) in job.output.parts.enumerated() {
            let place = converter.layout.placements[job.firstPart + index]
            switch part.contents {
            case .rows:
                let offset = place.offset + job.encodedBytes(elements.lowerBound)
                try writer.write(bytes, file: place.file, offset: offset)
            case .share(_, let fill):
                var rows = elements.lowerBound / job.columns..<elements.upperBound / job.columns
                let width = part.rowBytes(of: job.output)
                var filled = try take(fill, of: bytes, rows: rows, width: width, job)
                while !rows.isEmpty {
                    let (offset, count) = place.place(of: rows, width: width)
                    try writer.write(
                        UnsafeRawBufferPointer(rebasing: filled.prefix(count * width)), file: place.file,
                        offset: offset)
                    rows = rows.lowerBound + count..<rows.upperBound
                    filled = UnsafeRawBufferPointer(rebasing: filled.dropFirst(count * width))
                }
            case .constant(_, let bytes) where elements.lowerBound == 0:
                try bytes.span.withUnsafeBytes { bytes throws(CheckpointError) in
                    try writer.write(bytes, file: place.file, offset: place.offset)
                }
            case .constant: continue
            }
        }
        if let stored { stored.file.release(stored.range) }
    }

    /// What a part holds of encoded rows, `width` bytes a row; valid until the next call.
    private func take(
        _ fill: ExportedTensor.Fill, of bytes: UnsafeRawBufferPointer, rows: Range<Int>, width: Int,
        _ job: TensorJob
    ) throws(CheckpointError) -> UnsafeRawBufferPointer {
        Self.reserve(&shared, rows.count * width)
        let rowBytes = bytes.count / rows.count
        for row in 0..<rows.count {
            do {
                try fill(
                    UnsafeRawBufferPointer(rebasing: bytes[row * rowBytes..<(row + 1) * rowBytes]),
                    UnsafeMutableRawBufferPointer(rebasing: shared[row * width..<(row + 1) * width]))
            } catch {
                var column = 0
                if case .scaleOverflow(let block) = error {
                    column = block * (job.format.ggmlType?.blockSize ?? 1)
                }
                throw invalid(
                    job, element: job.sourceElement((rows.lowerBound + row) * job.columns + column),
                    "begins a block whose scale the output cannot hold", advice: "choose another format")
            }
        }
        return UnsafeRawBufferPointer(rebasing: shared[..<(rows.count * width)])
    }

    // MARK: - Rows

    /// The bytes of some output elements in their format; valid until the next call.
    private func encodedRows(
        _ job: TensorJob, index: Int, _ elements: Range<Int>
    ) throws(CheckpointError) -> UnsafeRawBufferPointer {
        switch job.source {
        case .stored(let entry) where job.copiesBytes:
            return try copiedRows(job, entry, elements)
        case .encoded(let tensor):
            let runs = job.runs(elements)
            for run in runs {
                guard let element = tensor.firstInvalidElement(in: run) else { continue }
                throw invalid(job, element: element, of: tensor.format)
            }
            if job.copiesBytes {
                guard job.transform.movesRows else { return tensor.bytes(of: elements) }
                return gather(runs, size: job.encodedBytes(elements.count)) { tensor.bytes(of: $0) }
            }
            let bytes = try encode(job, elements)
            if tensor.format.isQuantized, !job.format.isQuantized {
                for run in runs { try check.check(job, index: index, tensor, run) }
            }
            return bytes
        default: break
        }
        return try encode(job, elements)
    }

    /// The bytes of some elements as the source has them.
    private func copiedRows(
        _ job: TensorJob, _ entry: TensorEntry, _ elements: Range<Int>
    ) throws(CheckpointError) -> UnsafeRawBufferPointer {
        var found: [StoredElements] = []
        for run in job.runs(elements) {
            guard let stored = entry.elements(run) else {
                preconditionFailure("\(job.name) is cut within a block")
            }
            if let block = entry.type.firstInvalidBlock(in: RawSpan(_unsafeBytes: stored.bytes)) {
                throw invalid(
                    job, element: run.lowerBound + block * entry.type.blockSize, of: .ggml(entry.type))
            }
            found.append(stored)
        }
        copied = found
        if found.count == 1 { return found[0].bytes }
        return gather(found, size: job.encodedBytes(elements.count)) { $0.bytes }
    }

    /// Puts rows, `size` bytes in all, into ``encoded`` as they are.
    private func gather<Run>(
        _ runs: [Run], size: Int, _ bytes: (Run) -> UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        Self.reserve(&encoded, size)
        var place = 0
        for run in runs {
            let bytes = bytes(run)
            UnsafeMutableRawBufferPointer(rebasing: encoded[place..<place + bytes.count]).copyMemory(
                from: bytes)
            place += bytes.count
        }
        return UnsafeRawBufferPointer(rebasing: encoded[..<size])
    }

    /// Encodes some output elements to ``encoded``.
    private func encode(
        _ job: TensorJob, _ elements: Range<Int>
    ) throws(CheckpointError) -> UnsafeRawBufferPointer {
        let size = job.encodedBytes(elements.count)
        Self.reserve(&encoded, size)
        let step = max(Self.batch / job.unit, 1) * job.unit
        for start in stride(from: elements.lowerBound, to: elements.upperBound, by: step) {
            let batch = start..<min(start + step, elements.upperBound)
            try load(job, batch)
            try store(job, batch, at: job.encodedBytes(start - elements.lowerBound))
        }
        return UnsafeRawBufferPointer(rebasing: encoded[..<size])
    }

    // MARK: - Values

    /// Fills ``floats`` with the values of a run of output elements.
    private func load(_ job: TensorJob, _ elements: Range<Int>) throws(CheckpointError) {
        reserve(floats: elements.count)
        var index = 0
        for run in job.runs(elements) {
            let values = UnsafeMutableBufferPointer(rebasing: floats[index..<index + run.count])
            var target = values.mutableSpan
            switch job.source {
            case .computed(let source):
                for (place, element) in run.enumerated() { values[place] = source[element] }
            case .stored(let entry): decode(entry, run, ditherSeed: job.ditherSeed, into: &target)
            case .encoded(let tensor): tensor.decode(run, into: &target, level: level)
            case .described: preconditionFailure("\(job.name) has no values")
            }
            index += run.count
        }
        let addend = job.transform.addend
        if addend != 0 { for index in 0..<elements.count { floats[index] += addend } }
    }

    private func decode(
        _ entry: TensorEntry, _ elements: Range<Int>, ditherSeed: UInt64?,
        into target: inout MutableSpan<Float>
    ) {
        guard let stored = entry.elements(elements), let codec = entry.type.codec else { return }
        guard let ditherSeed else {
            stored.decode(codec, columns: elements.count, into: &target, level: level)
            return
        }
        withExtendedLifetime(stored.owner) {
            Dither(seed: ditherSeed).decode(
                RawSpan(_unsafeBytes: stored.bytes), type: entry.type, columns: elements.count,
                firstElement: UInt64(elements.lowerBound), stream: Dither.stream(of: entry.name),
                into: &target)
        }
    }

    /// Encodes ``floats``, the values of some elements of the output, to ``encoded`` at byte `offset`.
    private func store(_ job: TensorJob, _ elements: Range<Int>, at offset: Int) throws(CheckpointError) {
        guard let codec = job.format.codec else { return }
        let size = job.encodedBytes(elements.count)
        var target = UnsafeMutableRawBufferPointer(rebasing: encoded[offset..<offset + size]).mutableBytes
        let values = UnsafeMutableBufferPointer(rebasing: floats[..<elements.count]).span
        do {
            if let lattice = job.lattice {
                latticeCounts += try lattice.encode(
                    values, columns: job.columns, into: &target, level: level)
            } else if let importance = job.importance {
                try codec.encode(
                    values, columns: job.columns, importance: importance.span, into: &target, level: level)
            } else {
                // Blocks do not depend on where rows end.
                let columns = job.format.ggmlType == nil ? job.columns : elements.count
                try codec.encode(values, columns: columns, importance: nil, into: &target, level: level)
            }
        } catch {
            throw invalid(job, elements, error, codec)
        }
    }

    // MARK: - Errors

    /// The error for an element of the source that readers would refuse to load.
    private func invalid(_ job: TensorJob, element: Int, of format: WeightFormat) -> CheckpointError {
        let isNumber = format.ggmlType?.blockSize == 1
        return invalid(
            job, element: element,
            isNumber ? "is NaN or infinite" : "begins a block of \(format) whose scale is NaN or infinite")
    }

    /// The error for a codec's that was given ``floats``, the values of some elements of the output.
    private func invalid(
        _ job: TensorJob, _ elements: Range<Int>, _ error: CodecError, _ codec: any Codec
    ) -> CheckpointError {
        // Overrides reach the quantized types of GGUF files.
        let hasOverrides = converter.request.plan.type.format.ggmlType?.isQuantized == true
        let fault = WeightFault(
            error, values: UnsafeBufferPointer(rebasing: floats[..<elements.count]), columns: elements.count,
            codec: codec,
            advice: hasOverrides
                ? "keep it in another type, as --tensor-type '\(job.planned.name)=bf16' does, or the whole file with "
                    + "--type bf16" : "choose bf16 or f32")
        return invalid(
            job, element: job.sourceElement(elements.lowerBound + fault.column), fault.problem,
            advice: fault.advice)
    }

    /// The error for an element of the source, by the name that it has there.
    private func invalid(
        _ job: TensorJob, element: Int, _ problem: String, advice: String = WeightFault.damaged
    ) -> CheckpointError {
        var (path, name) = (converter.model.path, job.name)
        if case .stored(let entry) = job.source {
            (path, name) = (entry.file.path, entry.name)
        } else if job.output.parts.count > 1 {
            // A part of the output is not all of the tensor.
            let (scheme, architecture) = (
                converter.model.source.scheme, converter.model.configuration.architecture
            )
            name = scheme.name(of: job.planned.role, in: architecture) ?? name
        }
        let place =
            job.output.shape.count == 1
            ? "element \(element)" : "row \(element / job.columns), column \(element % job.columns)"
        return CheckpointError(
            .invalidValue, path: path, subject: "tensor '\(name)', \(place)", problem, advice: advice)
    }
}
