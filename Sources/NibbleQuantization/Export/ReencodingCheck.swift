internal import NibbleCheckpoint
internal import NibbleNumerics

/// Looks, on one thread, at what becomes of trained blocks in a hub folder, and refuses an element type that
/// loses what F32 would keep.
struct ReencodingCheck {
    private let request: ConversionRequest
    /// What becomes of the blocks, by the index of the job.
    private(set) var counts: [Int: ReencodingCounts] = [:]

    init(_ request: ConversionRequest) { self.request = request }

    /// Counts the blocks of `bytes`, which stand at `element` of the source of job number `index`.
    mutating func check(
        _ job: TensorJob, index: Int, type: GGMLType, _ bytes: UnsafeRawBufferPointer, element: Int
    ) throws(CheckpointError) {
        var lost: Int?
        do throws(CodecError) {
            let outcomes = try Reencoding(of: type, storedAs: job.type).outcomes(bytes)
            for outcome in outcomes { counts[index, default: .init()].count(outcome) }
            guard job.type != .f32, outcomes.contains(where: { !$0.keepsValues }) else { return }
            let exact = try Reencoding(of: type, storedAs: .f32).outcomes(bytes)
            lost = outcomes.indices.first { !outcomes[$0].keepsValues && exact[$0].keepsValues }
        } catch {
            // The values were stored before they came here, so they are finite and fit.
            preconditionFailure("\(job.name): \(error)")
        }
        if let lost { throw refusal(job, type, element: element + lost * type.blockSize) }
    }

    private func refusal(_ job: TensorJob, _ type: GGMLType, element: Int) -> CheckpointError {
        CheckpointError(
            .invalidRequest, path: request.output,
            subject: "tensor '\(job.name)', row \(element / job.columns), column \(element % job.columns)",
            "\(job.type) cannot hold the \(type) block that begins here: quantized again, it would change",
            advice: "export as f32")
    }
}
