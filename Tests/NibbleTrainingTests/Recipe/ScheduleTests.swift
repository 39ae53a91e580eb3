import NibbleTraining
import Testing

@Suite("Learning rate schedules")
struct ScheduleTests {
    private func schedule(_ kind: Recipe.Schedule.Kind, warmup: Int, final: Float) -> Recipe.Schedule {
        var schedule = Recipe.Schedule()
        schedule.kind = kind
        schedule.warmupSteps = warmup
        schedule.finalFraction = final
        return schedule
    }

    @Test("rise linearly while they warm up", arguments: Recipe.Schedule.Kind.allCases)
    func warmup(kind: Recipe.Schedule.Kind) {
        let schedule = schedule(kind, warmup: 4, final: 0.1)
        #expect((0..<5).map { schedule.factor(step: $0, of: 10) } == [0.25, 0.5, 0.75, 1, 1])
    }

    @Test("follow a cosine to the final fraction")
    func cosine() {
        // p = 0, 1/4, 1/2, 3/4 of the four steps after the warm-up: 0.2 + 0.8 (1 + cos πp) / 2.
        let schedule = schedule(.cosine, warmup: 2, final: 0.2)
        let expected: [Float] = [0.5, 1, 1, 0.882_842_7, 0.6, 0.317_157_3]
        for (step, value) in expected.enumerated() {
            #expect(abs(schedule.factor(step: step, of: 6) - value) < 1e-6)
        }
    }

    @Test("follow a line to the final fraction")
    func linear() {
        let schedule = schedule(.linear, warmup: 0, final: 0.5)
        #expect((0..<4).map { schedule.factor(step: $0, of: 4) } == [1, 0.875, 0.75, 0.625])
        #expect(self.schedule(.linear, warmup: 0, final: 0).factor(step: 0, of: 1) == 1)
    }

    @Test("stay at the peak where they are constant")
    func constant() {
        let schedule = schedule(.constant, warmup: 2, final: 0)
        #expect((0..<5).map { schedule.factor(step: $0, of: 5) } == [0.5, 1, 1, 1, 1])
    }

    @Test("refuse steps beyond the end")
    func beyondTheEnd() async {
        await #expect(processExitsWith: .failure) { _ = Recipe.Schedule().factor(step: 9, of: 9) }
    }
}
