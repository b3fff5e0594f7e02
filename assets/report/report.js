// Filters the rows of each table of frames by what is typed above it.
for (const input of document.querySelectorAll("input[data-filter]")) {
  const rows = document.querySelectorAll("#" + input.dataset.filter + " tbody tr");
  input.addEventListener("input", () => {
    const text = input.value.toLowerCase();
    for (const row of rows) {
      row.hidden = text !== "" && !row.textContent.toLowerCase().includes(text);
    }
  });
}
