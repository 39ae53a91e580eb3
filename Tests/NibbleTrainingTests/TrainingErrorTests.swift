import NibbleTraining
import Testing

@Suite("Training errors")
struct TrainingErrorTests {
    @Test("name file, line, problem and advice in one line")
    func description() {
        let error = TrainingError(
            .invalidRecipe, "a.yaml", line: 3, "steps is -3, expected 1 or more", advice: "correct it")
        #expect(error.description == "a.yaml:3: steps is -3, expected 1 or more; correct it")
        #expect(TrainingError(.cancelled, "run", "stopped").description == "run: stopped")
    }
}
