internal import NibbleCheckpoint
internal import NibbleNumerics

/// Performs pieces of work on one thread, in buffers that are made once.
final class ConversionWorker {
    private let converter: Converter
    private let writer: CheckpointWriter
    private(set) var floats = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
    private(set) var encoded = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var check: ReencodingCheck

    /// Elements that are decoded, transformed and encoded at a time, so that they stay in the first caches.
    private static let batch = 8192

    init(_ converter: Converter, _ writer: CheckpointWriter) {
        self.converter = converter
        self.writer = writer
        check = ReencodingCheck(converter.request)
    }

    /// What becomes of trained blocks in a hub folder, by the index of the job.
    var reencodingCounts: [Int: ReencodingCounts] { check.counts }

    deinit {
        floats.deallocate()
        encoded.deallocate()
    }

    func reserve(floats count: Int) {
        guard floats.count < count else { return }
        floats.deallocate()
        floats = .allocate(capacity: count)
        floats.initialize(repeating: 0)
    }

    func reserve(encoded count: Int) {
        guard encoded.count < count else { return }
        encoded.deallocate()
        encoded = .allocate(byteCount: count, alignment: 64)
        encoded.initializeMemory(as: UInt8.self, repeating: 0)
    }

    func perform(_ piece: PieceOfWork) throws(CheckpointError) {
        let job = converter.jobs[piece.job]
        let place = converter.layout.placements[piece.job]
        let offset = place.offset + (job.type.byteCount(elements: piece.elements.lowerBound) ?? 0)
        if case .stored(let entry) = job.source, job.copiesBytes {
            try copy(job, entry, piece.elements, file: place.file, offset: offset)
        } else {
            try writer.write(try made(piece), file: place.file, offset: offset)
        }
        if case .stored(let entry) = job.source, job.packing == nil, !job.transform.movesRows,
            let bytes = sourceRange(entry, piece.elements)
        {
            entry.file.release(bytes)
        }
    }

    /// The bytes of a piece that do not stand in a file as they are; valid until the next call.
    private func made(_ piece: PieceOfWork) throws(CheckpointError) -> UnsafeRawBufferPointer {
        let job = converter.jobs[piece.job]
        let size = job.type.byteCount(elements: piece.elements.count) ?? 0
        if let packing = job.packing {
            reserve(encoded: size)
            try pack(job, packing, piece.elements)
            return UnsafeRawBufferPointer(rebasing: encoded[..<size])
        }
        if case .encoded(let tensor) = job.source {
            try checkBlocks(job, tensor, piece.elements)
            if job.copiesBytes, !job.transform.movesRows { return tensor.bytes(of: piece.elements) }
        }
        reserve(encoded: size)
        if case .encoded(let tensor) = job.source, job.copiesBytes {
            moveRows(job, tensor, piece.elements)
        } else {
            try encode(job, piece.elements)
            if case .encoded(let tensor) = job.source, tensor.format.isQuantized {
                for run in job.runs(piece.elements) {
                    try check.check(
                        job, index: piece.job, tensor, run)
                }
            }
        }
        return UnsafeRawBufferPointer(rebasing: encoded[..<size])
    }

    /// Refuses encoded rows that llama.cpp would refuse to load.
    private func checkBlocks(
        _ job: TensorJob, _ tensor: EncodedTensor, _ elements: Range<Int>
    ) throws(CheckpointError) {
        guard let type = tensor.format.ggmlType else {
            for run in job.runs(elements) { try checkRows(job, tensor, run) }
            return
        }
        for run in job.runs(elements) {
            let bytes = tensor.bytes(of: run)
            guard let block = type.firstInvalidBlock(in: RawSpan(_unsafeBytes: bytes)) else {
                continue
            }
            let element = run.lowerBound + block * type.blockSize
            throw invalid(job, element: element, Self.problem(of: type))
        }
    }

    private static func problem(of type: GGMLType) -> String {
        type.blockSize == 1
            ? "is NaN or infinite" : "begins a block of \(type) whose scale is NaN or infinite"
    }

    /// Puts the rows of some output elements into ``encoded`` as they are.
    private func moveRows(_ job: TensorJob, _ tensor: EncodedTensor, _ elements: Range<Int>) {
        var place = 0
        for run in job.runs(elements) {
            let bytes = tensor.bytes(of: run)
            UnsafeMutableRawBufferPointer(rebasing: encoded[place..<place + bytes.count]).copyMemory(
                from: bytes)
            place += bytes.count
        }
    }

    /// The stored bytes of a run of elements.
    private func sourceRange(_ entry: TensorEntry, _ elements: Range<Int>) -> Range<Int>? {
        guard let start = entry.type.byteCount(elements: elements.lowerBound),
            let end = entry.type.byteCount(elements: elements.upperBound)
        else { return nil }
        return entry.range.lowerBound + start..<entry.range.lowerBound + end
    }

    /// Copies stored bytes, refusing what llama.cpp would refuse to load: scales and values that are not finite.
    private func copy(
        _ job: TensorJob, _ entry: TensorEntry, _ elements: Range<Int>, file: Int, offset: Int
    ) throws(CheckpointError) {
        guard let range = sourceRange(entry, elements) else { return }
        entry.file.prefetch(range)
        let bytes = UnsafeRawBufferPointer(rebasing: entry.file.bytes[range])
        if let block = entry.type.firstInvalidBlock(in: RawSpan(_unsafeBytes: bytes)) {
            let element = elements.lowerBound + block * entry.type.blockSize
            throw invalid(job, element: element, Self.problem(of: entry.type))
        }
        try writer.write(bytes, file: file, offset: offset)
    }

    private func encode(_ job: TensorJob, _ elements: Range<Int>) throws(CheckpointError) {
        if case .stored(let entry) = job.source, !job.transform.movesRows,
            let range = sourceRange(entry, elements)
        {
            entry.file.prefetch(range)
        }
        let step = max(Self.batch / job.unit, 1) * job.unit
        reserve(floats: step)
        for start in stride(from: elements.lowerBound, to: elements.upperBound, by: step) {
            let batch = start..<min(start + step, elements.upperBound)
            try load(job, batch)
            try store(job, batch, at: job.type.byteCount(elements: start - elements.lowerBound) ?? 0)
        }
    }

    /// Fills ``floats`` with the values of a run of output elements.
    func load(_ job: TensorJob, _ elements: Range<Int>) throws(CheckpointError) {
        switch job.source {
        case .computed(let values):
            var index = 0
            for run in job.runs(elements) {
                for element in run {
                    floats[index] = values[element]
                    index += 1
                }
            }
        case .stored(let entry):
            var index = 0
            for run in job.runs(elements) {
                decode(job, entry, run, at: index)
                index += run.count
            }
        case .encoded(let tensor):
            var index = 0
            for run in job.runs(elements) {
                var target = UnsafeMutableBufferPointer(rebasing: floats[index..<index + run.count])
                    .mutableSpan
                tensor.decode(run, into: &target)
                index += run.count
            }
        }
        let addend = job.transform.addend
        if addend != 0 { for index in 0..<elements.count { floats[index] += addend } }
    }

    private func decode(_ job: TensorJob, _ entry: TensorEntry, _ elements: Range<Int>, at index: Int) {
        guard let range = sourceRange(entry, elements) else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: entry.file.bytes[range])
        guard job.dithers, let seed = converter.request.ditherSeed else {
            return decode(entry.type, bytes, count: elements.count, at: index)
        }
        var target = UnsafeMutableBufferPointer(rebasing: floats[index..<index + elements.count]).mutableSpan
        Dither(seed: seed).decode(
            RawSpan(_unsafeBytes: bytes), type: entry.type, columns: elements.count,
            firstElement: UInt64(elements.lowerBound), stream: Dither.stream(of: entry.name), into: &target)
    }

    private func decode(_ type: GGMLType, _ bytes: UnsafeRawBufferPointer, count: Int, at index: Int) {
        guard let codec = type.codec else { return }
        var target = UnsafeMutableBufferPointer(rebasing: floats[index..<index + count]).mutableSpan
        codec.decode(RawSpan(_unsafeBytes: bytes), columns: count, into: &target, level: .best)
    }

    /// Encodes ``floats`` to ``encoded`` at byte `offset`.
    private func store(_ job: TensorJob, _ elements: Range<Int>, at offset: Int) throws(CheckpointError) {
        guard let codec = job.type.codec, let size = job.type.byteCount(elements: elements.count) else {
            return
        }
        var target = UnsafeMutableRawBufferPointer(rebasing: encoded[offset..<offset + size]).mutableBytes
        let values = UnsafeMutableBufferPointer(rebasing: floats[..<elements.count]).span
        do {
            if let importance = job.importance {
                try codec.encode(
                    values, columns: job.columns, importance: importance.span, into: &target, level: .best)
            } else {
                try codec.encode(
                    values, columns: elements.count, importance: nil, into: &target, level: .best)
            }
        } catch {
            throw invalid(job, elements, error, codec)
        }
    }

    /// The error for a codec's that was given ``floats``, the values of some elements of the output.
    func invalid(
        _ job: TensorJob, _ elements: Range<Int>, _ error: CodecError, _ codec: any Codec
    ) -> CheckpointError {
        let fault = WeightFault(
            error, values: UnsafeBufferPointer(rebasing: floats[..<elements.count]), columns: elements.count,
            codec: codec,
            advice: largeAdvice(job))
        return invalid(
            job, element: elements.lowerBound + fault.column, fault.problem, advice: fault.advice)
    }

    /// What to do about a weight that is too large for its type.
    private func largeAdvice(_ job: TensorJob) -> String {
        // Overrides do not reach the plain types.
        guard request.outputScheme == .gguf, request.plan.type.defaultType.isQuantized else {
            return "choose bf16 or f32"
        }
        return
            "keep it in another type, as --tensor-type '\(job.name)=bf16' does, or the whole file with --type bf16"
    }

    private var request: ConversionRequest { converter.request }

    /// The error for an element of the output, by the name and place that it has in the source.
    func invalid(
        _ job: TensorJob, element: Int, _ problem: String, advice: String = WeightFault.damaged
    ) -> CheckpointError {
        let columns = max(job.rowColumns, 1)
        var (path, name) = (converter.model.path, job.name)
        if case .stored(let entry) = job.source { (path, name) = (entry.file.path, entry.name) }
        let row = job.transform.sourceRow(element / columns)
        let place =
            job.shape.count == 1
            ? "element \(row * columns + element % columns)"
            : "row \(row), column \(element % columns)"
        return CheckpointError(
            .invalidValue, path: path, subject: "tensor '\(name)', \(place)", problem, advice: advice)
    }
}
