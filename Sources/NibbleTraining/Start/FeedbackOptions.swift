/// How weights are rounded with error feedback.
struct FeedbackOptions {
    /// Whether scales are searched for, columns weighted, or the codec's.
    var searches = true
    /// The part of what rounding loses before a matrix that its weights make up for; 0: none, and the student's inputs are
    /// not looked at.
    var compensation: Float = 0
}
