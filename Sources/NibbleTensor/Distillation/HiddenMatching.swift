/// The distance of a student's residual stream from a teacher's, with its gradient.
///
/// A token's distance is mean((s - t)²) / (mean(t²) + epsilon), means over the features, so that layers whose streams
/// grow by orders of magnitude weigh the same. Sums are Double, in the order of the tokens, whatever the number of
/// threads.
struct HiddenMatching {
    let epsilon: Float
    let compute: Compute

    /// Replaces `teacher` by the gradient of `weight` times the sum of all tokens' distances with respect to `student`:
    /// 2 weight (s - t) / (features (mean(t²) + epsilon)); 0 in padding. Returns the sum, without `weight`.
    func differentiate(_ student: Tensor, from teacher: Tensor, weight: Float) -> Double {
        let (layout, width) = (student.layout, student.layout.width)
        precondition(
            layout == teacher.layout && student.features == teacher.features, "streams of different shape")
        let lanes = layout.panels * width
        let buffer = compute.pool.take(bytes: lanes * 8)
        let distances = buffer.bound(to: Double.self)
        compute.workers.forEach(layout.panels) { panel in
            let first = panel % layout.panelsPerSequence * width
            for lane in 0..<width {
                let isToken = first + lane < layout.length
                distances[panel * width + lane] = distance(
                    student.panel(panel) + lane, teacher.panel(panel) + lane, width: width,
                    features: student.features, weight: isToken ? weight : 0)
                if !isToken { distances[panel * width + lane] = 0 }
            }
        }
        return (0..<lanes).reduce(0) { $0 + distances[$1] }
    }

    private func distance(
        _ student: UnsafePointer<Float>, _ teacher: UnsafeMutablePointer<Float>, width: Int, features: Int,
        weight: Float
    ) -> Double {
        var (difference, size) = (0.0, 0.0)
        for feature in 0..<features {
            let (s, t) = (Double(student[feature * width]), Double(teacher[feature * width]))
            difference += (s - t) * (s - t)
            size += t * t
        }
        let scale = 1 / (size + Double(features) * Double(epsilon))
        let factor = Float(2 * scale) * weight
        for feature in 0..<features {
            let index = feature * width
            teacher[index] = weight == 0 ? 0 : factor * (student[index] - teacher[index])
        }
        return difference * scale
    }
}

extension Compute {
    /// Adds up how far a student's residual stream is from a teacher's: over all tokens
    /// mean((s - t)²) / (mean(t²) + epsilon), means over the features.
    ///
    /// - Parameters:
    ///   - teacher: `[features]` a token like `student`; replaced by the gradient of `weight` times the sum with
    ///     respect to `student`, zero in padding.
    ///   - epsilon: above 0, for streams that are zero.
    /// - Returns: the sum, without `weight`; NaN where a value is.
    public func matchHidden(_ student: Tensor, to teacher: Tensor, epsilon: Float, weight: Float) -> Double {
        precondition(epsilon > 0, "epsilon \(epsilon)")
        return HiddenMatching(epsilon: epsilon, compute: self)
            .differentiate(student, from: teacher, weight: weight)
    }
}
