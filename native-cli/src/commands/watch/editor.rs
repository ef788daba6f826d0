//! One line of text that somebody types.

/// The text, and where the next character goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Editor {
    before: String,
    behind: String,
    /// What was wrong with what was entered.
    pub complaint: Option<String>,
}

impl Editor {
    /// With a text to change.
    pub fn new(text: &str) -> Editor {
        Editor { before: text.to_owned(), ..Editor::default() }
    }

    /// All of it.
    pub fn text(&self) -> String {
        format!("{}{}", self.before, self.behind)
    }

    /// What stands left and right of the cursor.
    pub fn parts(&self) -> (&str, &str) {
        (&self.before, &self.behind)
    }

    /// Control characters are no text.
    pub fn insert(&mut self, c: char) {
        if !c.is_control() {
            self.complaint = None;
            self.before.push(c);
        }
    }

    /// Takes away what is left of the cursor.
    pub fn backspace(&mut self) {
        self.complaint = None;
        self.before.pop();
    }

    /// Takes away what is right of the cursor.
    pub fn delete(&mut self) {
        self.complaint = None;
        if !self.behind.is_empty() {
            self.behind.remove(0);
        }
    }

    /// Takes away everything.
    pub fn clear(&mut self) {
        *self = Editor::default();
    }

    /// One character left.
    pub fn left(&mut self) {
        if let Some(c) = self.before.pop() {
            self.behind.insert(0, c);
        }
    }

    /// One character right.
    pub fn right(&mut self) {
        if !self.behind.is_empty() {
            self.before.push(self.behind.remove(0));
        }
    }

    /// To the beginning.
    pub fn home(&mut self) {
        self.behind.insert_str(0, &self.before);
        self.before.clear();
    }

    /// To the end.
    pub fn end(&mut self) {
        self.before.push_str(&self.behind);
        self.behind.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_goes_where_the_cursor_is() {
        let mut editor = Editor::new("7+5=");
        editor.left();
        editor.insert('日');
        editor.insert('\u{7}');
        assert_eq!(editor.parts(), ("7+5日", "="));
        editor.backspace();
        editor.home();
        editor.delete();
        editor.backspace();
        editor.insert('8');
        assert_eq!(editor.text(), "8+5=");
        editor.end();
        editor.right();
        editor.delete();
        editor.insert('é');
        assert_eq!(editor.text(), "8+5=é");
        editor.clear();
        editor.left();
        assert_eq!(editor, Editor::default());
    }
}
