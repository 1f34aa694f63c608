package claims

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/load"
)

// errorsPage is the index of error messages. Its generated parts are named after a situation
// of bad input, or after an error code of Kafka's protocol.
var errorsPage = generated.File{Path: "ERRORS.md", Command: "go run ./04-comparison/claims -tables"}

// codeOf finds an error code by its name.
func codeOf(name string) (code int16, ok bool) {
	for code := int16(1); kerr.TypedErrorForCode(code) != kerr.UnknownServerError; code++ {
		if kerr.TypedErrorForCode(code).Message == name {
			return code, true
		}
	}
	return 0, false
}

// askForCodes has each client say what it makes of the error codes that the page asks for.
func (r *Results) askForCodes(root string) error {
	parts, err := errorsPage.Parts(root)
	if err != nil {
		return err
	}
	before := r.Codes
	r.Codes = make(map[string]map[string]string)
	for _, name := range parts {
		code, ok := codeOf(name)
		if !ok {
			continue // It is a situation, or eachPage will say what it is not.
		}
		r.Codes[name] = make(map[string]string)
		for _, c := range clients.All() {
			r.Codes[name][c.Name()] = before[name][c.Name()]
			if c.Available() == nil {
				r.Codes[name][c.Name()] = c.ErrorOf(code).Error()
			}
		}
	}
	return nil
}

// renderMessages makes the parts of the page: a line for each message, behind those who say it.
func (r Results) renderMessages() map[string]string {
	parts := make(map[string]string)
	for name, said := range r.Codes {
		var lines messages
		for _, client := range names() {
			lines.add(client, said[client])
		}
		parts[name] = lines.String()
	}
	for _, s := range situations() {
		var lines messages
		for _, client := range names() {
			words := make(map[load.Kind]string)
			for _, side := range s.sides() {
				words[side] = r.answers(s.name, side, client).firstError()
			}
			if writing, reading := words[load.Produce], words[load.Consume]; writing == reading || !s.reads {
				lines.add(client, writing)
			} else {
				lines.add(client+", writing", writing)
				lines.add(client+", reading", reading)
			}
		}
		parts[s.name] = lines.String()
	}
	return parts
}

// messages are the different messages, in order, and who says each.
type messages struct {
	texts []string
	by    map[string][]string
}

// add adds a message, if there is one.
func (m *messages) add(who, text string) {
	if text == "" {
		return
	}
	text = strings.ReplaceAll(text, testTopic, "<topic>")
	if m.by == nil {
		m.by = make(map[string][]string)
	}
	if m.by[text] == nil {
		m.texts = append(m.texts, text)
	}
	m.by[text] = append(m.by[text], who)
}

func (m *messages) String() string {
	var b strings.Builder
	for _, text := range m.texts {
		fmt.Fprintf(&b, "- %s: `%s`\n", strings.Join(m.by[text], ", "), text)
	}
	return b.String()
}
