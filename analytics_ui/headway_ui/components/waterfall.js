// Draws the rows of a trace as a tree with bars. Texts are logged data, so they are set as text and
// never as HTML.

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const tree = parentElement.querySelector(".tree")
  tree.setAttribute("aria-label", data.label)
  tree.replaceChildren(...data.rows.map((row) => item(row, setTriggerValue)))
  tree.onkeydown = (event) => moveFocus(tree, event)
}

function item(row, setTriggerValue) {
  const line = element("button", "row", "")
  line.type = "button"
  line.setAttribute("role", "treeitem")
  line.setAttribute("aria-level", row.depth + 1)
  line.setAttribute("aria-selected", row.is_selected)
  line.title = row.title
  line.style.setProperty("--depth", row.depth)
  line.style.setProperty("--tint", `var(--st-${row.colour}-color)`)
  line.onclick = () => setTriggerValue("picked", row.span_id)

  const label = element("span", "label", "")
  label.append(icon(row.icon), element("span", "name", row.name), element("span", "word", row.kind))
  if (row.status_icon) {
    const mark = icon(row.status_icon)
    mark.style.setProperty("--tint", "var(--st-red-color)")
    label.append(mark, element("span", "word", row.status))
  }

  const track = element("span", "track", "")
  const bar = element("span", "bar", "")
  const offset = Math.min(row.offset, 0.995)
  bar.style.left = `${offset * 100}%`
  bar.style.width = `${Math.min(row.width, 1 - offset) * 100}%`
  track.append(bar)

  line.append(label, track, element("span", "duration", row.duration))
  const holder = element("li", "", "")
  holder.setAttribute("role", "none")
  holder.append(line)
  return holder
}

function icon(name) {
  const drawn = element("span", "icon", name)
  drawn.setAttribute("aria-hidden", "true")
  return drawn
}

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  made.textContent = text
  return made
}

function moveFocus(tree, event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (!step) return
  const lines = [...tree.querySelectorAll(".row")]
  const next = lines[lines.indexOf(event.target) + step]
  if (!next) return
  event.preventDefault()
  next.focus()
}
