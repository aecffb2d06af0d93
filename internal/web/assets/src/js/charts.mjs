// Reads out the mark of a chart that is pointed at or stepped to. The words are already in the page, as
// the mark's title; this shows them without the browser's delay, and for the keyboard. One tab stop per
// chart, arrow keys inside it.
export function charts (root) {
  for (const svg of root.querySelectorAll('svg[data-chart]')) {
    const marks = [...svg.querySelectorAll('.c-mark')]
    if (!marks.length) continue
    const out = document.createElement('p')
    out.className = 'pl-chart-readout pl-noprint'
    out.setAttribute('aria-live', 'polite')
    svg.after(out)
    const words = (mark) => mark.getAttribute('aria-label') || ''
    const show = (mark) => { out.textContent = mark ? words(mark) : '' }
    marks.forEach((mark, i) => {
      mark.setAttribute('tabindex', i ? '-1' : '0')
      mark.addEventListener('pointerenter', () => show(mark))
      mark.addEventListener('pointerleave', () => show(marks.includes(document.activeElement) ? document.activeElement : null))
      mark.addEventListener('focus', () => show(mark))
      mark.addEventListener('blur', () => show(null))
      mark.addEventListener('keydown', (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -i, End: marks.length - 1 - i }[event.key]
        if (step === undefined) return
        const next = marks[Math.min(marks.length - 1, Math.max(0, i + step))]
        event.preventDefault()
        marks.forEach((m) => m.setAttribute('tabindex', m === next ? '0' : '-1'))
        next.focus()
      })
    })
  }
}
