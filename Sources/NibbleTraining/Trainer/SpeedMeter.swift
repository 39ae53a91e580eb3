/// Tokens a second, of steps alone.
struct SpeedMeter {
    private var tokens = 0
    private(set) var elapsed = 0.0
    private var last: [(tokens: Int, seconds: Double)] = []

    /// Steps that the recent speed is taken over.
    private static let window = 20

    mutating func add(tokens: Int, since start: ContinuousClock.Instant) {
        let duration = start.duration(to: .now).components
        let seconds = Double(duration.seconds) + Double(duration.attoseconds) * 1e-18
        self.tokens += tokens
        elapsed += seconds
        last.append((tokens, seconds))
        if last.count > Self.window { last.removeFirst() }
    }

    /// Over all steps.
    var mean: Double { elapsed > 0 ? Double(tokens) / elapsed : 0 }

    /// Over the last steps.
    var recent: Double {
        let seconds = last.reduce(0) { $0 + $1.seconds }
        return seconds > 0 ? Double(last.reduce(0) { $0 + $1.tokens }) / seconds : 0
    }

    /// What so many tokens will take at the recent speed.
    func time(tokens: Int) -> Duration {
        .milliseconds(recent > 0 ? Int(1000 * Double(tokens) / recent) : 0)
    }
}
