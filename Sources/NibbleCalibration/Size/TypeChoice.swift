internal import NibbleCheckpoint
internal import NibbleNumerics

/// The choice of a type for each of some matrices, so that all of them together cost least in no more than some bytes.
///
/// Of each matrix only types on the lower convex hull of costs over bytes count. All begin with their smallest; then the step
/// that gains most by byte is taken, of all that still fit, until none does. Along the hulls gains by byte fall, so that
/// no choice of as many bytes costs less; only the last steps, which no longer fit one by one, are short of the best.
struct TypeChoice {
    /// A type that a matrix may have.
    struct Option: Equatable {
        let type: GGMLType
        let bytes: Int
        let cost: Double
    }

    /// What is chosen of each matrix.
    private(set) var chosen: [Option]
    /// The smallest and the largest choice, in bytes.
    let range: ClosedRange<Int>

    var bytes: Int { chosen.reduce(0) { $0 + $1.bytes } }
    var cost: Double { chosen.reduce(0) { $0 + $1.cost } }

    /// - Parameters:
    ///   - matrices: of each its options, one at least.
    ///   - budget: bytes of all together; where it is below ``range``, the smallest choice is taken.
    init(_ matrices: [[Option]], budget: Int) {
        let hulls = matrices.map { Self.hull($0) }
        chosen = hulls.map { $0[0] }
        let smallest = hulls.reduce(0) { $0 + $1[0].bytes }
        range = smallest...hulls.reduce(0) { $0 + ($1.last?.bytes ?? 0) }
        var places = hulls.map { _ in 0 }
        var bytes = smallest
        while true {
            var best: (matrix: Int, gain: Double)?
            for (matrix, hull) in hulls.enumerated() where places[matrix] + 1 < hull.count {
                let (now, next) = (hull[places[matrix]], hull[places[matrix] + 1])
                guard bytes + next.bytes - now.bytes <= budget else { continue }
                let gain = (now.cost - next.cost) / Double(next.bytes - now.bytes)
                if gain > best?.gain ?? -.infinity { best = (matrix, gain) }
            }
            guard let best else { break }
            let (now, next) = (chosen[best.matrix], hulls[best.matrix][places[best.matrix] + 1])
            bytes += next.bytes - now.bytes
            places[best.matrix] += 1
            chosen[best.matrix] = next
        }
    }

    /// The options on the lower convex hull, by rising bytes and falling cost.
    static func hull(_ options: [Option]) -> [Option] {
        let sorted = options.sorted {
            ($0.bytes, $0.cost, $0.type.rawValue) < ($1.bytes, $1.cost, $1.type.rawValue)
        }
        var hull: [Option] = []
        for option in sorted {
            if let last = hull.last, option.cost >= last.cost { continue }
            while hull.count > 1 {
                let (first, last) = (hull[hull.count - 2], hull[hull.count - 1])
                let before = (first.cost - last.cost) / Double(last.bytes - first.bytes)
                let after = (last.cost - option.cost) / Double(option.bytes - last.bytes)
                guard after >= before else { break }
                hull.removeLast()
            }
            hull.append(option)
        }
        return hull
    }
}
