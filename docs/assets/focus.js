/* What scrolls sideways can be reached by keyboard. */
document.addEventListener("DOMContentLoaded", function () {
  document.querySelectorAll(".md-typeset pre > code, .md-typeset__scrollwrap, .md-typeset p:has(> img)").forEach(function (box) {
    if (box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== "visible") {
      box.tabIndex = 0;
      if (box.tagName !== "CODE") {
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", "Scrolls sideways");
      }
    }
  });
});
