internal import NibbleCheckpoint
internal import NibbleNumerics

/// Looks, on one thread, at what becomes of trained blocks in a hub folder, and refuses an element type that
/// loses what F32 would keep.
struct ReencodingCheck {
    private let request: ConversionRequest
    /// What becomes of the blocks, by the index of the job.
    private(set) var counts: [Int: ReencodingCounts] = [:]

    init(_ request: ConversionRequest) { self.request = request }

    /// Counts the blocks of a run of elements of the source of job number `index`.
    mutating func check(
        _ job: TensorJob, index: Int, _ tensor: EncodedTensor, _ run: Range<Int>
    ) throws(CheckpointError) {
        guard let type = job.format.ggmlType else { return }
        let (format, columns, bytes) = (tensor.format, tensor.columns, tensor.bytes(of: run))
        let again = Reencoding(of: format, columns: columns, storedAs: type)
        var lost: Int?
        do throws(CodecError) {
            let outcomes = try again.outcomes(bytes)
            for outcome in outcomes { counts[index, default: .init()].count(outcome) }
            guard type != .f32, outcomes.contains(where: { !$0.keepsValues }) else { return }
            let exact = try Reencoding(of: format, columns: columns, storedAs: .f32).outcomes(bytes)
            lost = outcomes.indices.first { !outcomes[$0].keepsValues && exact[$0].keepsValues }
        } catch {
            // The values were stored before they came here, so they are finite and fit.
            preconditionFailure("\(job.name): \(error)")
        }
        guard let lost else { return }
        let element = run.lowerBound + lost * again.blockSize
        throw CheckpointError(
            .invalidRequest, path: request.output,
            subject: "tensor '\(job.name)', row \(element / columns), column \(element % columns)",
            "\(type) cannot hold the \(format) block that begins here: quantized again, it would change",
            advice: "export as f32")
    }
}
