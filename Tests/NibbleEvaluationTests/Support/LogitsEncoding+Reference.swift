import Foundation

@testable import NibbleEvaluation

extension LogitsEncoding {
    /// Creates the encoding of a whole vocabulary's logits.
    init(_ logits: UnsafeBufferPointer<Float>) throws(EvaluationError) {
        precondition(!logits.isEmpty, "no logits")
        var (largest, smallest) = (-Float.infinity, Float.infinity)
        for logit in logits {
            largest = max(largest, logit)
            smallest = min(smallest, logit)
        }
        var sum = 0.0
        for logit in logits { sum += Double(expf(logit - largest)) }
        try self.init(largest: largest, smallest: smallest, sumOfExponentials: sum)
    }

    /// The code of one logit: the reference of ``encode(_:into:)``.
    func code(of logit: Float) -> UInt16 {
        guard logit > leastLogit else { return 0 }
        return UInt16(min((inverseScale * (logit - leastLogit)).rounded(.toNearestOrEven), 65535))
    }
}
