import Foundation

/// Something that is timed once a round.
final class Measurement {
    private let work: () -> Void
    private let amount: Double
    private var times: [Double] = []

    /// - Parameter amount: what a run of `work` does, in operations or bytes; 0 where there is nothing to time.
    init(amount: Double, _ work: @escaping () -> Void) {
        self.amount = amount
        self.work = work
    }

    /// Billions of operations or bytes a second, by the median time.
    var speed: Double { times.isEmpty ? 0 : amount / times.sorted()[times.count / 2] / 1e9 }

    private func time() {
        let start = ContinuousClock.now
        work()
        times.append(start.duration(to: .now) / .seconds(1))
    }

    /// One run of each to warm up, then `rounds` of each in turn.
    static func run(_ measurements: [Measurement], rounds: Int) {
        let measurements = measurements.filter { $0.amount > 0 }
        for measurement in measurements { measurement.work() }
        for _ in 0..<rounds {
            for measurement in measurements { measurement.time() }
        }
    }
}
